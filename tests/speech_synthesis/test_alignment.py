import numpy as np
import pytest

from speech_core.errors import InputError
from speech_synthesis.alignment import Utterance, features, train_aligner

PHONES, MELS = 6, 20


def spoken(seed, phones, durations):
    """Frames in which every phone has a spectrum of its own, with noise: (frames, mels), pitch (frames,)."""
    spectra = np.random.default_rng(7).normal(0, 2, (PHONES, MELS))
    rng = np.random.default_rng(seed)
    owner = np.repeat(phones, durations)
    return spectra[owner] + rng.normal(0, 0.3, (len(owner), MELS)), np.where(owner % 2 == 1, 120.0, 0.0)


def utterances(number, rough):
    """Utterances, with rough durations or without, and the true ones."""
    made, truths = [], []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        phones = (0, *(int(p) for p in rng.integers(1, PHONES, 8)), 0)
        truth = rng.integers(3, 12, 10)
        wrong = truth.copy()
        for place in range(0, 10, 2):
            move = int(rng.integers(-2, 3))
            wrong[place] -= move
            wrong[place + 1] += move
        made.append(
            Utterance(features(*spoken(seed, np.asarray(phones), truth)), phones, wrong if rough else None)
        )
        truths.append(truth)
    return made, truths


def boundary_error(durations, truth):
    return float(np.abs(np.cumsum(durations) - np.cumsum(truth)).mean())


@pytest.mark.parametrize("rough", [True, False])
def test_boundaries_are_found(rough):
    items, truths = utterances(60, rough)
    aligner = train_aligner(items, PHONES, pause=0, rounds=6)
    found = [aligner.align(item)[0] for item in items]
    assert all(f.sum() == t.sum() and f.min() >= 1 for f, t in zip(found, truths, strict=True))
    assert np.mean([boundary_error(f, t) for f, t in zip(found, truths, strict=True)]) < 0.5


def test_a_wrong_transcript_is_less_likely():
    items, _ = utterances(40, True)
    aligner = train_aligner(items, PHONES, pause=0)
    right = items[0]._replace(durations=None)
    wrong = right._replace(phones=(0, *(p % (PHONES - 1) + 1 for p in right.phones[1:-1]), 0))
    assert aligner.align(right)[1] > aligner.align(wrong)[1] + 1


def test_too_few_frames_are_refused():
    items, _ = utterances(5, True)
    aligner = train_aligner(items, PHONES, pause=0, rounds=1)
    with pytest.raises(InputError, match="too few"):
        aligner.align(Utterance(items[0].features[:6], items[0].phones))


def test_nothing_to_train_on_is_refused():
    with pytest.raises(InputError):
        train_aligner([], PHONES, pause=0)
