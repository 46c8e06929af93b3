"""Recognition evaluated end to end over real programs: counts worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llama_speech.evaluation.asr import AsrConfig, evaluate_asr, group_scores, length_group, noise_group
from llama_speech.evaluation.datasets import EvalItem, read_set
from llama_speech.evaluation.report import to_markdown
from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import ConfigError


@pytest.fixture
def result(small_set, good, bad, tmp_path):
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=100))
    return evaluate_asr([read_set(small_set)], [good, bad], config)


def test_counts_by_hand(result):
    first, second = result.sets[0].systems
    good = first.scores["wer/whisper-en"]
    # 8 reference words; "uh noise" on the empty text is one insertion, since Whisper drops "uh"
    assert (good.substitutions, good.deletions, good.insertions, good.reference_units) == (0, 0, 1, 8)
    assert good.rate == 1 / 8
    bad = second.scores["wer/whisper-en"]
    # a/the, bat/cat, -the; yellow/hello, +too; the failed file has an empty text, so nothing is inserted
    assert (bad.substitutions, bad.deletions, bad.insertions, bad.reference_units) == (3, 1, 1, 8)
    assert first.scores["wer/raw"].substitutions == 4  # The/the, mat./mat, Hello,/hello, world!/world
    assert (good.items, good.empty_references) == (3, 1)


def test_nothing_is_left_out_silently(result):
    one = result.sets[0]
    assert one.dropped == {"language is not en": 1}
    assert len(one.items) == 3
    assert [system.failed for system in one.systems] == [0, 1]
    assert one.items[2].hypotheses["command:bad"] == ""
    assert "cannot do three.wav" in one.items[2].errors["command:bad"]


def test_items_add_up_to_the_score(result):
    one = result.sets[0]
    for system in one.systems:
        for metric, score in system.scores.items():
            total = np.sum([item.counts[system.name][metric] for item in one.items], axis=0).tolist()
            assert total == [score.substitutions, score.deletions, score.insertions, score.reference_units]


def test_comparison_confusions_and_groups(result):
    first, second = result.sets[0].systems
    assert first.against["command:bad"].delta == pytest.approx((1 - 5) / 8)
    assert second.against == {}
    assert ["cat", "bat", 1] in second.confusions["substituted"]
    assert second.confusions["deleted"] == [["the", 1]]
    assert first.confusions["inserted"] == [["noise", 1]]
    assert {group.group: group.reference_units for group in first.by_length} == {
        "4-7 words": 6,
        "1-3 words": 2,
        "0 words": 0,
    }
    assert {group.group: group.items for group in first.by_speaker} == {"s1": 2, "s0": 1}
    assert [group.group for group in first.by_pace] == ["spoken"]


def test_text_too_long_for_its_audio_is_pointed_out_and_counts(small_set, good, tmp_path):
    lines = (small_set / "dev.jsonl").read_text().replace("Hello, world!", "Hello, world! " + 60 * "x ")
    (small_set / "dev.jsonl").write_text(lines)  # 134 characters in two seconds
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=10))
    found = evaluate_asr([read_set(small_set)], [good], config)
    system = found.sets[0].systems[0]
    assert {group.group: (group.items, group.reference_units) for group in system.by_pace} == {
        "spoken": (2, 6),
        "too fast": (1, 62),
    }
    assert system.scores["wer/whisper-en"].reference_units == 68
    assert "1 of them have over 28 characters of text a second" in to_markdown(found)
    assert "without them: command:good 16.7" in to_markdown(found)


def test_times_and_audio(result):
    first, second = result.sets[0].systems
    assert result.sets[0].audio_s == pytest.approx(6.0)
    assert (first.audio_s, second.audio_s) == (
        pytest.approx(6.0),
        pytest.approx(3.0),
    )  # the failed one is 3 s
    assert first.real_time_factor_wall == pytest.approx(first.wall_s / 6.0)
    assert first.cpu_s > 0


def test_sets_are_pooled_by_errors_not_by_rates(small_set, good, tmp_path):
    one = read_set(small_set)
    other = read_set(small_set, limit=1)
    other = replace(other, name="other")
    found = evaluate_asr([one, other], [good], AsrConfig(tmp_path / "cache"))
    assert found.pooled["command:good"].rate == 1 / 14
    assert found.pooled["command:good"].items == 4


def test_progress_is_reported_per_system_and_set(small_set, good, tmp_path):
    seen = []
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=10))
    evaluate_asr([read_set(small_set)], [good], config, lambda label: lambda *n: seen.append((label, *n)))
    assert seen == [("command:good on small", done, 3) for done in (1, 2, 3)]


def test_names_must_differ(small_set, good, tmp_path):
    with pytest.raises(ConfigError, match="own name"):
        evaluate_asr([read_set(small_set)], [good, good], AsrConfig(tmp_path))
    with pytest.raises(ConfigError, match="at least one system"):
        evaluate_asr([read_set(small_set)], [], AsrConfig(tmp_path))


@pytest.mark.parametrize(
    ("words", "group"),
    [
        (0, "0 words"),
        (1, "1-3 words"),
        (3, "1-3 words"),
        (4, "4-7 words"),
        (31, "16-31 words"),
        (32, "32+ words"),
    ],
)
def test_length_groups(words, group):
    assert length_group(words) == group


def test_groups_without_words_have_no_rate():
    found = group_scores(np.array([[0, 0, 1, 0], [1, 0, 0, 2]]), ["a", "b"])
    assert [(group.group, group.rate) for group in found] == [("a", None), ("b", 0.5)]


@pytest.mark.parametrize(
    ("record", "group"),
    [
        ({}, "not stated"),
        ({"noise": "music"}, "music"),
        ({"snr_db": 12.5}, "10 to 15 dB"),
        ({"snr_db": -0.5, "noise": "babble"}, "-5 to 0 dB, babble"),
        ({"extra": {"snr_db": 20}}, "20 to 25 dB"),
    ],
)
def test_items_are_grouped_by_noise(record, group):
    item = EvalItem("1", Path("a.wav"), "x", "en", None, None, record)
    assert noise_group(item) == group


def test_systems_may_differ_by_set_but_not_in_name(small_set, good, bad, tmp_path):
    one = read_set(small_set)
    other = replace(one, name="other")
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=20))
    with pytest.raises(ConfigError, match="same systems"):
        evaluate_asr([one, other], lambda eval_set: [good if eval_set is one else bad], config)
    result = evaluate_asr([one, other], lambda eval_set: [good], config)
    assert [found.language for found in result.sets] == ["en", "en"]
