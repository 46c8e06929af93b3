"""Scores against hand counts, against jiwer itself, and against hypotheses broken on purpose."""

import random
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_speech.evaluation.scores import (
    NORMALIZERS,
    BootstrapConfig,
    Metric,
    Unit,
    align,
    compare_counts,
    count_edits,
    error_rate,
    make_signature,
    normalize_all,
    normalize_text,
    prepare_texts,
    resampled_rates,
    score_counts,
    score_texts,
)
from speech_core.errors import ConfigError, InputError

QUICK = BootstrapConfig(resamples=200)

# (reference, hypothesis, substitutions, deletions, insertions, reference words), counted by hand
HAND_COUNTS = [
    ("a b c", "a b c", 0, 0, 0, 3),
    ("a b c", "a x c", 1, 0, 0, 3),
    ("a b c", "a c", 0, 1, 0, 3),
    ("a b c", "a b b c", 0, 0, 1, 3),
    ("a b c", "", 0, 3, 0, 3),
    ("", "a b", 0, 0, 2, 0),
    ("", "", 0, 0, 0, 0),
    ("a b c d", "x y", 2, 2, 0, 4),
    ("the cat sat", "the bat sat down here", 1, 0, 2, 3),
    ("one", "two three", 1, 0, 1, 1),
]

# (text, English normaliser, basic normaliser), worked out from the Whisper paper's appendix C
NORMALIZED = [
    ("Hello, World!", "hello world", "hello world"),
    ("I'm  here", "i am here", "i m here"),
    ("Um, colour [laughs] (off)", "color", "um colour"),
    ("twenty-one dollars", "$21", "twenty one dollars"),
    ("Mr. Smith won't go", "mister smith will not go", "mr smith won t go"),
    ("", "", ""),
    ("Wait...", "wait .", "wait"),  # what Whisper's own English normaliser does
]


@pytest.mark.parametrize(("reference", "hypothesis", "subs", "dels", "ins", "words"), HAND_COUNTS)
def test_hand_counts(reference, hypothesis, subs, dels, ins, words):
    assert count_edits([reference], [hypothesis]).tolist() == [[subs, dels, ins, words]]


def test_corpus_rate_is_not_the_mean_of_files():
    counts = count_edits(["a", "a b c d e f g h i"], ["b", "a b c d e f g h i"])
    assert error_rate(counts) == pytest.approx(1 / 10)  # the mean of the two files would be 1 / 2


def test_characters_are_code_points_without_spaces():
    metric = Metric("char", "whisper-basic")
    wanted, got = prepare_texts(["ab cd"], metric), prepare_texts(["abc d"], metric)
    assert wanted == got == ["abcd"]
    assert count_edits(["abcd"], ["abxd"], "char").tolist() == [[1, 0, 0, 4]]


@pytest.mark.parametrize(("text", "english", "basic"), NORMALIZED)
def test_normalizers(text, english, basic):
    assert normalize_text(text, "whisper-en") == english
    assert normalize_text(text, "whisper-basic") == basic


def test_marks_are_kept_only_when_asked():
    hindi = "नमस्ते दुनिया"
    assert normalize_text(hindi, "whisper-basic-marks") == hindi
    assert len(normalize_text(hindi, "whisper-basic").split()) > 2  # vowel signs became spaces


def test_lone_punctuation_is_a_word_only_for_whisper():
    assert normalize_text("Wait...", "whisper-en-words") == "wait"
    assert normalize_text("It costs $3.50 or 5%...", "whisper-en-words") == "it costs $3.50 or 5%"


def test_raw_keeps_case_and_punctuation():
    assert normalize_text(" Hello,\n World! ", "raw") == "Hello, World!"


def test_many_texts_on_several_cores_equal_one(monkeypatch):
    texts = [f"I'm number {i}, colour" for i in range(60)]
    alone = normalize_all(texts, "whisper-en", workers=1)
    monkeypatch.setattr("llama_speech.evaluation.scores.PARALLEL_TEXTS", 10)
    assert normalize_all(texts, "whisper-en", workers=2) == alone


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "ee", "ff"]), max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_sums_equal_jiwer(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    processes: dict[Unit, Any] = {"word": jiwer.process_words, "char": jiwer.process_characters}
    for unit, process in processes.items():
        peer = process(references, hypotheses)
        total = count_edits(references, hypotheses, unit).sum(axis=0)
        assert total[:3].tolist() == [peer.substitutions, peer.deletions, peer.insertions]
        assert total[3] == peer.hits + peer.substitutions + peer.deletions
        if total[3]:
            rate = peer.wer if unit == "word" else peer.cer
            assert error_rate(count_edits(references, hypotheses, unit)) == pytest.approx(rate)


def scored(references, hypotheses, config=QUICK):
    """`score_texts` for sets that have a rate; untyped, so that the rate may be compared."""
    return score_texts(references, hypotheses, config=config)


def compared(system, peer, config=BootstrapConfig()):  # noqa: B008 - frozen
    """`compare_counts` for sets that have a rate."""
    return compare_counts(system, peer, Metric(), config)


def sentences(number, seed=0):
    rng = random.Random(seed)
    words = ["the", "cat", "sat", "on", "a", "mat", "while", "rain", "fell", "and", "nobody", "cared"]
    return [" ".join(rng.choice(words) for _ in range(rng.randint(3, 15))) for _ in range(number)]


def test_broken_hypotheses_move_the_score_the_right_way():
    references = sentences(50)
    good = scored(references, references)
    assert (good.rate, good.low, good.high) == (0.0, 0.0, 0.0)
    shorter = scored(references, [t.rsplit(" ", 1)[0] for t in references])
    assert (shorter.deletions, shorter.insertions, shorter.substitutions) == (50, 0, 0)
    longer = scored(references, [f"{t} zebra" for t in references])
    assert (longer.deletions, longer.insertions, longer.substitutions) == (0, 50, 0)
    wrong = scored(references, ["zebra " + t.split(" ", 1)[1] for t in references])
    assert (wrong.deletions, wrong.insertions, wrong.substitutions) == (0, 0, 50)
    empty = scored(references, [""] * 50)
    assert empty.rate == 1.0
    shuffled = scored(references, references[1:] + references[:1])
    assert shuffled.rate > 0.5
    assert all(score.rate > good.rate for score in (shorter, longer, wrong))


def test_case_and_punctuation_count_only_in_raw():
    references, hypotheses = ["Hello, world!"], ["hello world"]
    rates = {
        name: score_texts(references, hypotheses, Metric("word", name), QUICK).rate for name in NORMALIZERS
    }
    assert rates == {
        "raw": 1.0,
        "whisper-en": 0.0,
        "whisper-en-words": 0.0,
        "whisper-basic": 0.0,
        "whisper-basic-marks": 0.0,
    }


def test_empty_references_stay_and_count_insertions():
    score = score_texts(["", "a b"], ["noise here", "a b"], config=QUICK)
    assert (score.items, score.empty_references, score.insertions, score.rate) == (2, 1, 2, 1.0)


def test_no_reference_words_gives_no_rate():
    score = score_texts(["", "!"], ["noise", ""], config=QUICK)
    assert (score.rate, score.low, score.high, score.insertions) == (None, None, None, 1)
    assert score_texts([], [], config=QUICK).rate is None


def test_different_numbers_of_texts_are_refused():
    with pytest.raises(InputError, match="2 references and 1 hypotheses"):
        count_edits(["a", "b"], ["a"])


def test_confusions_name_the_words():
    _, confusions = align(["the cat sat", "the cat ran off"], ["the bat sat", "the bat ran"])
    assert confusions.substituted == {("cat", "bat"): 2}
    assert confusions.deleted == {"off": 1}
    assert confusions.inserted == {}
    assert align(["a"], ["a so"])[1].inserted == {"so": 1}


def test_bootstrap_is_reproducible_and_follows_the_seed():
    counts = count_edits(sentences(40), sentences(40, seed=1))
    first, again = (resampled_rates([counts], QUICK) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, resampled_rates([counts], BootstrapConfig(resamples=200, seed=1)))


def test_bootstrap_does_not_depend_on_how_draws_are_split(monkeypatch):
    counts = count_edits(sentences(30), sentences(30, seed=1))
    whole = resampled_rates([counts], QUICK)
    monkeypatch.setattr("llama_speech.evaluation.scores.RESAMPLES_AT_ONCE", 7 * 30)
    assert np.array_equal(whole, resampled_rates([counts], QUICK))


def test_interval_is_the_one_of_a_binomial():
    """100 one-word items, 20 wrong: the rate is a binomial share with 95 % interval 0.2 +- 1.96 * 0.04."""
    counts = np.array([[1, 0, 0, 1]] * 20 + [[0, 0, 0, 1]] * 80)
    score = score_counts(counts, Metric(), BootstrapConfig(resamples=20_000))
    assert score.rate == 0.2
    assert score.low == pytest.approx(0.2 - 1.96 * 0.04, abs=0.011)  # steps of 0.01
    assert score.high == pytest.approx(0.2 + 1.96 * 0.04, abs=0.011)


def test_identical_items_have_no_width():
    score = score_counts(np.array([[1, 0, 0, 4]] * 9), Metric(), QUICK)
    assert (score.low, score.rate, score.high) == (0.25, 0.25, 0.25)


def test_paired_comparison_sees_a_small_steady_difference():
    rng = np.random.default_rng(0)
    words = rng.integers(5, 20, size=300)
    errors = rng.binomial(words, 0.3)
    system = np.stack([errors, 0 * words, 0 * words, words], axis=1)
    peer = system + np.array([[1, 0, 0, 0]]) * (rng.random((300, 1)) < 0.2)
    found = compared(system, peer)
    assert found.delta < 0
    assert found.high < 0
    assert found.p_value < 0.01
    back = compared(peer, system)
    assert back.delta == -found.delta
    same = compared(system, system, QUICK)
    assert (same.delta, same.p_value) == (0.0, 1.0)


def test_noise_is_not_significant():
    rng = np.random.default_rng(1)
    words = np.full(200, 10)
    first, second = (
        np.stack([rng.binomial(10, 0.3, 200), 0 * words, 0 * words, words], axis=1) for _ in "ab"
    )
    assert compared(first, second).p_value > 0.05


def test_comparison_needs_the_same_references():
    with pytest.raises(InputError, match="same references"):
        compare_counts(count_edits(["a b"], ["a"]), count_edits(["a"], ["a"]), Metric(), QUICK)


def test_signature_states_options_and_versions():
    word = make_signature(Metric(), BootstrapConfig(resamples=500, seed=3))
    for part in (
        "wer|",
        "norm:whisper-en",
        "level:corpus",
        "500",
        "0.95",
        "seed:3",
        "jiwer:4",
        "whisper-normalizer:",
    ):
        assert part in word
    char = make_signature(Metric("char", "raw"), QUICK)
    assert "cer|" in char
    assert "spaces:removed" in char
    assert "whisper-normalizer" not in char


@pytest.mark.parametrize(("unit", "name"), [("line", "raw"), ("word", "whisper")])
def test_unknown_metrics_are_refused(unit, name):
    with pytest.raises(ConfigError, match="use"):
        Metric(unit, name)


@pytest.mark.parametrize("values", [{"resamples": 0}, {"confidence": 1.0}, {"seed": -1}])
def test_impossible_bootstraps_are_refused(values):
    with pytest.raises(ConfigError, match="bootstrap"):
        BootstrapConfig(**values)
