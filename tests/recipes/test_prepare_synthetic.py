"""Spoken sentences into a cache: provenance, no dev text, checked, the same again when resumed."""

import gzip
import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from recipes.data.checking import CheckReport, WhisperChecker
from recipes.data.features_cache import FeatureCache
from recipes.data.held_out import load_held_out
from recipes.data.sentences import PlanConfig, PlannedItem
from recipes.prepare_synthetic import (
    SpeakOptions,
    Spoken,
    SyntheticOptions,
    check_items,
    main,
    prepare,
    speak_items,
    sum_reports,
)
from speech_core.errors import ConfigError, InputError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="hibari is not installed")


@pytest.fixture
def text_dir(tmp_path):
    folder = tmp_path / "text" / "sentences"
    folder.mkdir(parents=True)
    lines = ["Held out text", "A first sentence.", "The second one is longer, and better.", "Who is there?"]
    lines += [f"There are {word} birds in the tree." for word in ("two", "three", "four", "five", "six")]
    with gzip.open(folder / "en.txt.gz", "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    return tmp_path / "text"


@pytest.fixture
def options(text_dir, speech_dir, noise_dir, tmp_path):
    return SyntheticOptions(
        text_dir=text_dir,
        speak=SpeakOptions(out=tmp_path / "c", noise_dir=noise_dir),
        speech_dir=speech_dir,
        sources=("common-voice-sentences",),
        plan=PlanConfig(seed=1, shares={"hibari": 1.0}),
        hours=0.008,
        shard_s=14.4,
    )


def shards_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("shard-*")}


def test_items_have_text_voice_and_provenance_and_no_dev_text(options, text_dir, speech_dir):
    prepare(options, jobs=1)
    cache = FeatureCache([options.speak.out])
    held_out = load_held_out(speech_dir, text_dir)
    assert len(cache) >= 8
    assert not any(held_out.holds(text or "") for text in cache.texts)
    assert "Held out text" not in cache.texts
    for index, item in enumerate(cache):
        utterance = cache.utterance(index)
        assert item.corpus == "synthetic-hibari"
        assert utterance.licence == "Apache-2.0"
        assert utterance.extra["text_source"] == "common-voice-sentences"
        assert {"pitch", "formants", "pace"} <= set(utterance.extra["voice"])
        assert utterance.duration_s == pytest.approx(item.features.shape[0] / 100, abs=0.011)
        assert cache.record(index)["augment"][-1].startswith("level")
    assert len({item.speaker for item in cache}) == len(cache)
    table = (options.speak.out / "teachers.tsv").read_text(encoding="utf-8")
    assert table.splitlines()[1].startswith(f"hibari\t{len(cache)}\t")


def test_a_resumed_and_a_longer_run_equal_an_uninterrupted_one(options, tmp_path):
    prepare(options, jobs=1)
    files = shards_of(options.speak.out)
    assert "shard-00001.npy" in files
    other = replace(options, speak=replace(options.speak, out=tmp_path / "other"))
    prepare(replace(other, hours=0.004), jobs=1)
    assert "shard-00001.npy" not in shards_of(other.speak.out)
    (other.speak.out / "shard-00000.jsonl").unlink()
    prepare(other, jobs=1)
    assert shards_of(other.speak.out) == files


def test_a_cache_begun_with_another_plan_is_refused(options):
    prepare(replace(options, hours=0.004), jobs=1)
    with pytest.raises(ConfigError, match="was begun with other"):
        prepare(replace(options, plan=PlanConfig(seed=2, shares={"hibari": 1.0})), jobs=1)


def test_audio_is_kept_when_asked_for(options):
    prepare(replace(options, hours=0.004, speak=replace(options.speak, keep_audio=True)), jobs=1)
    cache = FeatureCache([options.speak.out])
    for index in range(len(cache)):
        utterance = cache.utterance(index)
        audio, rate = soundfile.read(options.speak.out / utterance.audio)
        assert rate == 16_000
        assert audio.size / rate == pytest.approx(utterance.duration_s, abs=0.03)


def planned(number, text="Hello there.", seed=0):
    return PlannedItem(number, text, "s", "CC0", "hibari", seed)


def test_speech_of_impossible_length_is_counted_and_left_out():
    report = CheckReport()
    items = [planned(0), planned(1, ""), planned(2, "Many words go on and on. " * 60)]
    assert [spoken.plan.number for spoken in speak_items(items, report)] == [0]
    assert report.of("hibari").failed == 2


def test_checked_items_over_the_limit_are_dropped_and_counted(monkeypatch, tmp_path):
    heard = {16_000: "hello there", 8_000: "well hello there", 4_000: "no"}
    monkeypatch.setattr(WhisperChecker, "__init__", lambda self, model: None)
    monkeypatch.setattr(
        WhisperChecker, "count_errors", lambda self, items: [_errors(a, t, heard) for a, t in items]
    )
    sounds = [np.zeros(size, np.float32) for size in (16_000, 8_000, 4_000, 16_000)]
    spoken = [Spoken(planned(n, seed=n), sound, {}) for n, sound in enumerate(sounds)]
    report = CheckReport()
    everything = SpeakOptions(tmp_path, checker=tmp_path, check_share=1.0, max_cer=0.5)
    assert [s.plan.number for s in check_items(iter(spoken), everything, report)] == [0, 1, 3]
    assert (report.of("hibari").checked, report.of("hibari").dropped) == (4, 1)
    report = CheckReport()
    nothing = replace(everything, check_share=0.0)
    assert [s.plan.number for s in check_items(iter(spoken), nothing, report)] == [0, 1, 2, 3]
    assert report.of("hibari").checked == 0


def _errors(audio, text, heard):
    from recipes.data.checking import split_errors

    return split_errors([text], heard[audio.size])[0]


def test_reports_of_incomplete_shards_do_not_count(tmp_path):
    (tmp_path / "shard-00000.report.json").write_text('{"a": {"items": 3}}', encoding="utf-8")
    assert sum_reports(tmp_path).teachers == {}
    (tmp_path / "shard-00000.jsonl").touch()
    assert sum_reports(tmp_path).of("a").items == 3


@pytest.mark.parametrize("change", [{"hours": 0.0}, {"shard_s": -1.0}])
def test_wrong_numbers_are_refused(options, change):
    with pytest.raises(InputError, match="positive"):
        prepare(replace(options, **change), jobs=1)


@pytest.mark.slow  # two processes are started
def test_the_command_line_with_two_processes(text_dir, speech_dir, noise_dir, tmp_path):
    folders = (
        f"--text-dir {text_dir} --speech-dir {speech_dir} --noise-dir {noise_dir} --out {tmp_path / 'c'}"
    )
    amount = "--source common-voice-sentences --teachers hibari --hours 0.004 --shard-s 7.2 --jobs 2 --seed 7"
    main([*folders.split(), *amount.split()])
    assert len(FeatureCache([tmp_path / "c"])) >= 3
