"""Which frame is which phone: the best path of a small hidden Markov model of the phones.

Two states for each phone and one for pauses, each a Gaussian with its own variances over cepstra, their
change, and the presence of pitch. It starts from rough durations, or from equal ones, and improves itself:
segmental k-means (Rabiner and Juang, Fundamentals of Speech Recognition, 6.15). For one voice at a time.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import InputError

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
NUM_CEPSTRA = 13
_SMALLEST_VARIANCE = 0.02  # of features scaled to variance 1
_IMPOSSIBLE = -1e30


def features(log_mel: NDArray[np.floating], f0_hz: NDArray[np.floating]) -> Array:
    """Cepstra, their change over two frames either way, and voicing: (frames, mels) -> (frames, 27)."""
    mels = log_mel.shape[1]
    angle = np.pi / mels * (np.arange(mels) + 0.5)[:, None] * np.arange(NUM_CEPSTRA)[None]
    cepstra = log_mel.astype(np.float64) @ np.cos(angle) * np.sqrt(2.0 / mels)
    padded = np.pad(cepstra, ((2, 2), (0, 0)), mode="edge")
    change = (padded[4:] - padded[:-4]) * 2 + (padded[3:-1] - padded[1:-3])
    voiced = (f0_hz > 0).astype(np.float64)[:, None]
    return np.concatenate([cepstra, change / 3, voiced], 1)


class Utterance(NamedTuple):
    """What is aligned: features (frames, dimensions), phone classes, and rough durations or None."""

    features: Array
    phones: tuple[int, ...]
    durations: Numbers | None = None


@dataclass(frozen=True)
class PhoneAligner:
    """Gaussians of the states: means, variances (phones * 2, dimensions) of features scaled by `scale`."""

    means: Array
    variances: Array
    scale: Array  # (2, dimensions): mean and deviation over all frames
    pause: int  # the phone of one state

    def align(self, utterance: Utterance, reach_frames: int = 40) -> tuple[Numbers, float]:
        """Durations of the phones (phones,) in frames, and the mean log likelihood of a frame.

        With rough durations, no phone moves more than `reach_frames`. Raises InputError when there are fewer
        frames than states.
        """
        states = _states(utterance.phones, self.pause)
        frames = utterance.features.shape[0]
        if frames < len(states):
            raise InputError(f"{frames} frames are too few for {len(utterance.phones)} phones: leave it out")
        scores = self._scores(utterance.features)[:, states]
        if utterance.durations is not None:
            scores = np.where(_within(utterance, states, self.pause, reach_frames), scores, _IMPOSSIBLE)
        path, score = _best_path(scores)
        return np.bincount(
            _owners(utterance.phones, self.pause)[path], minlength=len(utterance.phones)
        ), score

    def _scores(self, frames: Array) -> Array:
        """Log likelihoods: (frames, dimensions) -> (frames, states)."""
        scaled = (frames - self.scale[0]) / self.scale[1]
        precision = 1.0 / self.variances
        square = scaled**2 @ precision.T - 2 * scaled @ (self.means * precision).T
        constant = (self.means**2 * precision + np.log(self.variances)).sum(1)
        return np.asarray(-0.5 * (square + constant))


def _states(phones: tuple[int, ...], pause: int) -> Numbers:
    """State numbers in order: two of each phone, one of a pause."""
    return np.asarray([s for p in phones for s in ((2 * p,) if p == pause else (2 * p, 2 * p + 1))], np.int64)


def _owners(phones: tuple[int, ...], pause: int) -> Numbers:
    """Which phone each state of the utterance belongs to: (states,)."""
    return np.repeat(np.arange(len(phones)), [1 if phone == pause else 2 for phone in phones])


def _within(utterance: Utterance, states: Numbers, pause: int, reach: int) -> NDArray[np.bool_]:
    """Frames in which each state may be, around its rough place: (frames, states)."""
    assert utterance.durations is not None
    owner = _owners(utterance.phones, pause)
    ends = np.cumsum(utterance.durations)
    frame = np.arange(utterance.features.shape[0])[:, None]
    return np.asarray((frame >= (ends - utterance.durations)[owner] - reach) & (frame < ends[owner] + reach))


def _best_path(scores: Array) -> tuple[Numbers, float]:
    """The best path from the first state to the last: (frames, states) -> states (frames,) and score."""
    frames, states = scores.shape
    best = np.full(states, _IMPOSSIBLE)
    best[0] = scores[0, 0]
    advanced = np.zeros((frames, states), dtype=bool)
    for frame in range(1, frames):
        before = np.concatenate([[_IMPOSSIBLE], best[:-1]])
        advanced[frame] = before > best
        best = np.maximum(before, best) + scores[frame]
    path = np.zeros(frames, np.int64)
    state = states - 1
    for frame in range(frames - 1, -1, -1):
        path[frame] = state
        state -= int(advanced[frame, state])
    return path, float(best[-1] / frames)


def train_aligner(utterances: list[Utterance], num_phones: int, pause: int, rounds: int = 5) -> PhoneAligner:
    """An aligner from rough durations, improved `rounds` times. Raises InputError without utterances."""
    if not utterances:
        raise InputError("no utterance to train the aligner on")
    whole = np.concatenate([utterance.features for utterance in utterances])
    scale = np.stack([whole.mean(0), np.maximum(whole.std(0), 1e-3)])
    durations = [_rough(utterance) for utterance in utterances]
    aligner = _estimate(utterances, durations, scale, (num_phones, pause))
    for _ in range(rounds):
        durations = [aligner.align(utterance)[0] for utterance in utterances]
        aligner = _estimate(utterances, durations, scale, (num_phones, pause))
    return aligner


def _rough(utterance: Utterance) -> Numbers:
    """The given durations, or equal ones."""
    if utterance.durations is not None:
        return utterance.durations
    edges = np.linspace(0, utterance.features.shape[0], len(utterance.phones) + 1).round().astype(np.int64)
    return np.diff(edges)


def _estimate(
    utterances: list[Utterance], durations: list[Numbers], scale: Array, inventory: tuple[int, int]
) -> PhoneAligner:
    """Means and variances of the frames of each state; a phone's two states share it in halves."""
    num_phones, pause = inventory
    states = np.concatenate([_frame_states(u, d, pause) for u, d in zip(utterances, durations, strict=True)])
    frames = (np.concatenate([u.features for u in utterances]) - scale[0]) / scale[1]
    count = np.bincount(states, minlength=2 * num_phones)[:, None].astype(np.float64)
    sums, squares = (np.zeros((2 * num_phones, frames.shape[1])) for _ in range(2))
    np.add.at(sums, states, frames)
    np.add.at(squares, states, frames**2)
    means = sums / np.maximum(count, 1)
    variances = (squares + 5.0) / (count + 5.0) - means**2 * count / (
        count + 5.0
    )  # five frames of all speech
    return PhoneAligner(means, np.maximum(variances, _SMALLEST_VARIANCE), scale, pause)


def _frame_states(utterance: Utterance, durations: Numbers, pause: int) -> Numbers:
    pieces = []
    for phone, frames in zip(utterance.phones, durations, strict=True):
        second = np.arange(frames) >= (frames + 1) // 2
        pieces.append(2 * phone + (second if phone != pause else np.zeros(frames, bool)).astype(np.int64))
    return np.concatenate(pieces)
