import json
from dataclasses import replace

import numpy as np
import pytest

from recipes.data.voice_cache import VoiceCache, VoiceCacheWriter, is_dev_text
from speech_core.errors import ConfigError, InputError
from speech_synthesis.config import FrameConfig
from tests.voice_items import make_item


def same(left, right):
    for name in ("id", "text", "speaker", "corpus", "words", "phones", "phone_words", "extra"):
        assert getattr(left, name) == getattr(right, name), name
    for name, tolerance in (
        ("durations", 0),
        ("log_f0", 1e-4),
        ("log_power", 1e-4),
        ("f0_hz", 0),
        ("frames", 0),
    ):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), atol=tolerance)


def test_items_come_back_in_order(tmp_path):
    items = [make_item(number) for number in range(5)]
    writer = VoiceCacheWriter(tmp_path)
    assert writer.write_shard(1, items[3:]) == sum(len(item.frames) for item in items[3:])
    writer.write_shard(0, items[:3])
    cache = VoiceCache([tmp_path])
    for found, item in zip(cache, items, strict=True):
        same(found, item)
    assert cache.lengths.tolist() == [len(item.frames) for item in items]
    assert cache.num_phones.tolist() == [len(item.phones) for item in items]
    assert cache.hours == pytest.approx(cache.lengths.sum() / 80 / 3600)


def test_a_shard_is_written_once(tmp_path):
    writer = VoiceCacheWriter(tmp_path)
    writer.write_shard(0, [make_item(1)])
    assert writer.write_shard(0, [make_item(2)]) == 0
    assert VoiceCache([tmp_path])[0].id == "made-1"


def test_an_interrupted_shard_does_not_count(tmp_path):
    def broken():
        yield make_item(1)
        raise KeyboardInterrupt

    writer = VoiceCacheWriter(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        writer.write_shard(0, broken())
    assert not writer.is_complete(0)
    with pytest.raises(InputError, match="no all item"):
        VoiceCache([tmp_path])


def test_the_split_is_by_text(tmp_path):
    items = [make_item(number) for number in range(150)]
    VoiceCacheWriter(tmp_path).write_shard(0, items)
    train, dev = (VoiceCache([tmp_path], split) for split in ("train", "dev"))
    assert len(train) + len(dev) == 150
    assert 0 < len(dev) < 15
    assert all(is_dev_text(item.text) for item in dev)
    assert is_dev_text(dev[0].text.upper().replace(".", "!"))


def test_phones_know_their_place(tmp_path):
    records = make_item(3).phone_records()
    assert (records[0].symbol, records[0].word) == ("SIL", -1)
    first = [record for record in records if record.word == 0]
    assert [r.place for r in first] == list(range(len(first)))
    assert [r.remaining for r in first] == list(range(len(first)))[::-1]
    assert records[-2].punctuation == "."


@pytest.mark.parametrize(
    "changes",
    [
        {"durations": np.asarray([1, 2])},
        {"phones": ()},
        {"f0_hz": np.zeros(3, np.float32)},
        {"words": ()},
    ],
)
def test_parts_that_do_not_fit_are_refused(changes):
    with pytest.raises(InputError, match="made-1"):
        replace(make_item(1), **changes).check()


def test_other_frames_are_refused(tmp_path):
    VoiceCacheWriter(tmp_path / "a")
    with pytest.raises(ConfigError, match="other frames"):
        VoiceCacheWriter(tmp_path / "a", FrameConfig(num_bands=10))
    VoiceCacheWriter(tmp_path / "b", FrameConfig(num_bands=10))
    with pytest.raises(ConfigError, match="different"):
        VoiceCache([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="no voice cache"):
        VoiceCache([tmp_path])


def test_records_are_plain_json(tmp_path):
    VoiceCacheWriter(tmp_path).write_shard(0, [make_item(1)])
    record = json.loads((tmp_path / "shard-00000.jsonl").read_text(encoding="utf-8"))
    assert record["phones"][0] == "SIL"
    assert record["log_f0"][0] is None
    with pytest.raises(InputError, match="not stored"):
        VoiceCache([tmp_path])[0].frame_power()
