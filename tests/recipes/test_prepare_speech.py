"""Real clips into a cache: the right clips, the right views, the same again, on after an interruption."""

import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest

from recipes.data.features_cache import FeatureCache
from recipes.data.manifests import Utterance, write_manifest
from recipes.prepare_speech import PrepareOptions, cut_into_shards, main, prepare, select_utterances, sources
from speech_core.errors import InputError


def shards_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("shard-*")}


def test_training_clips_get_a_clean_and_augmented_views(speech_dir, noise_dir, tmp_path):
    options = PrepareOptions(tmp_path / "c", speech_dir, noise_dir=noise_dir, views=3, seed=1)
    assert prepare(options, jobs=1) > 0
    cache = FeatureCache([tmp_path / "c"])
    assert (
        len(cache) == 5 * 3
    )  # three labelled, two unlabelled; the held-out text and other languages are not there
    assert set(cache.texts) == {"One clip.", "Said by many.", "Another one here.", None}
    assert [item.view for item in cache][:3] == [0, 1, 2]
    assert not any(item.augmented for item in cache if item.view == 0)
    assert any(cache.record(index)["augment"] for index in range(len(cache)) if cache.views[index] > 0)
    clean = [item.features for item in cache if item.view == 0]
    changed = [item.features for item in cache if item.view == 1 and item.augmented]
    assert all(np.isfinite(features).all() for features in clean + changed)


def test_sources_say_hours_licence_and_whom_to_credit():
    clip = Utterance("l/1", "1.wav", "one", "en", "a", 1800.0, "librispeech", "CC BY 4.0")
    own = replace(clip, corpus="mine", licence="CC0", duration_s=360.0)
    assert sources([clip, own, clip]) == [
        "librispeech: 1.00 h, CC BY 4.0, LibriSpeech, V. Panayotov et al., LibriVox volunteers",
        "mine: 0.10 h, CC0, credit not known",
    ]


def test_dev_parts_get_the_clean_view_only(speech_dir, tmp_path):
    prepare(PrepareOptions(tmp_path / "c", speech_dir, part="dev", views=3), jobs=1)
    cache = FeatureCache([tmp_path / "c"])
    assert [(item.text, item.view) for item in cache] == [("held OUT, text!", 0)]


def test_languages_and_sets_are_chosen(speech_dir, tmp_path):
    german = select_utterances(PrepareOptions(tmp_path, speech_dir, language="de"))
    assert [u.text for u in german] == ["Guten Tag."]
    crowd = select_utterances(PrepareOptions(tmp_path, speech_dir, sets=("picovoice-speech-to-intent",)))
    assert {u.corpus for u in crowd} == {"picovoice-speech-to-intent"}
    with pytest.raises(InputError, match="'sv'"):
        select_utterances(PrepareOptions(tmp_path, speech_dir, language="sv"))


def test_a_resumed_run_equals_an_uninterrupted_one(speech_dir, noise_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.prepare_speech.cut_into_shards", partial(cut_into_shards, shard_s=3.0))
    whole = PrepareOptions(tmp_path / "whole", speech_dir, noise_dir=noise_dir, views=2, seed=5)
    prepare(whole, jobs=1)
    files = shards_of(tmp_path / "whole")
    assert {"shard-00000.npy", "shard-00001.jsonl"} <= files.keys()
    again = PrepareOptions(tmp_path / "again", speech_dir, noise_dir=noise_dir, views=2, seed=5)
    prepare(again, jobs=1)
    (tmp_path / "again" / "shard-00001.jsonl").unlink()  # as if it had been stopped between the two files
    assert prepare(again, jobs=1) > 0
    assert shards_of(tmp_path / "again") == files


def test_another_seed_augments_otherwise(speech_dir, noise_dir, tmp_path):
    records = []
    for seed in (1, 2):
        out = tmp_path / str(seed)
        prepare(PrepareOptions(out, speech_dir, noise_dir=noise_dir, views=3, seed=seed), jobs=1)
        cache = FeatureCache([out])
        found = [cache.record(index) for index in range(len(cache))]
        records.append({(record["id"], record["view"]): record["augment"] for record in found})
    assert records[0].keys() == records[1].keys()
    assert records[0] != records[1]


def test_a_manifest_is_prepared_with_pieces_of_long_recordings(speech_dir, tmp_path):
    clip = speech_dir / "kathleen-en" / "train" / "en-00003.opus"
    piece = Utterance("m/1", str(clip), "Piece.", "en", "x", 0.5, "mine", "CC0", extra={"start_s": 0.4})
    held = Utterance("m/2", str(clip), "Held out text", "en", "x", 1.2, "mine", "CC0")
    write_manifest(tmp_path / "m.jsonl", [piece, held])
    prepare(PrepareOptions(tmp_path / "c", speech_dir, manifest=tmp_path / "m.jsonl"), jobs=1)
    cache = FeatureCache([tmp_path / "c"])
    assert cache.lengths.tolist() == [50]
    assert json.loads(json.dumps(asdict(piece))) == asdict(cache.utterance(0))


def test_a_bad_manifest_is_refused_before_work_starts(speech_dir, tmp_path):
    clip = speech_dir / "kathleen-en" / "train" / "en-00003.opus"
    good = Utterance("m/1", str(clip), "Good.", "en", "x", 1.2, "mine", "CC0")
    write_manifest(tmp_path / "m.jsonl", [good, replace(good, id="m/2", audio="gone.wav")])
    arguments = ["--manifest", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "c"), "--jobs", "1"]
    with pytest.raises(SystemExit, match=r"^prepare_speech: m\.jsonl: m/2: audio 'gone\.wav' does not exist"):
        main(arguments)
    assert not (tmp_path / "c").exists()


def test_sets_for_evaluation_are_never_prepared_for_training(speech_dir, tmp_path):
    clip = speech_dir / "kathleen-en" / "train" / "en-00003.opus"
    asked = Utterance("q/1", str(clip), "What?", "en", "x", 1.2, "mine", "CC0", extra={"never_train": True})
    write_manifest(tmp_path / "q.jsonl", [asked])
    options = partial(PrepareOptions, tmp_path / "q", manifest=tmp_path / "q.jsonl")
    with pytest.raises(InputError, match="q/1 is for evaluation, never to be trained on: use --part dev"):
        prepare(options(), jobs=1)
    assert prepare(options(part="dev"), jobs=1) > 0


def test_shards_hold_about_the_seconds_asked_for():
    clips = [Utterance(str(n), "", None, "en", "s", 2.0, "c", "CC0") for n in range(10)]
    assert [len(shard) for shard in cut_into_shards(clips, views=2, shard_s=12.0)] == [3, 3, 3, 1]


@pytest.mark.parametrize("change", [{"views": 0}, {"jobs": 0}])
def test_wrong_numbers_are_refused(speech_dir, tmp_path, change):
    options = PrepareOptions(tmp_path / "c", speech_dir, views=change.get("views", 1))
    with pytest.raises(InputError, match="at least 1"):
        prepare(options, jobs=change.get("jobs", 1))


def test_a_source_must_be_given(tmp_path):
    with pytest.raises(InputError, match="nothing to prepare"):
        prepare(PrepareOptions(tmp_path / "c"), jobs=1)


@pytest.mark.slow  # two processes are started
def test_the_command_line_with_two_processes_equals_one(speech_dir, noise_dir, tmp_path):
    common = ["--speech-dir", str(speech_dir), "--noise-dir", str(noise_dir), "--views", "2", "--limit", "2"]
    main([*common, "--out", str(tmp_path / "one"), "--jobs", "1"])
    main([*common, "--out", str(tmp_path / "two"), "--jobs", "2"])
    assert shards_of(tmp_path / "one") == shards_of(tmp_path / "two")
    assert len(FeatureCache([tmp_path / "two"])) == 4
