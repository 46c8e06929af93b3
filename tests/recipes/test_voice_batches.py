import numpy as np
import torch

from recipes.batches.voice_batches import VoiceBatches, make_batch, spoken_phones
from recipes.data.batching import BatchSampler
from recipes.data.voice_cache import VoiceCache, VoiceCacheWriter
from speech_synthesis.config import ACOUSTIC_PRESETS
from tests.voice_items import make_item

CONFIG = ACOUSTIC_PRESETS["tiny"]


def test_phones_are_those_of_the_item():
    item = make_item(2)
    phones = spoken_phones(item, CONFIG)
    assert tuple(phone.number for phone in phones) == item.phones
    assert [phone.frames for phone in phones] == item.durations.tolist()
    assert [phone.is_voiced for phone in phones] == np.isfinite(item.log_f0).tolist()
    assert phones[0].log_f0 == CONFIG.mean_log_f0
    assert [phone.is_first for phone in phones].count(True) == len(item.words)


def test_a_batch_is_padded_and_masked():
    items = [make_item(1, 2), make_item(2, 5)]
    batch = make_batch(items, CONFIG)
    lengths = [len(item.frames) for item in items]
    assert batch.valid.sum(1).tolist() == lengths
    assert batch.num_frames == sum(lengths)
    assert batch.inputs.phones[0, lengths[0] :].unique().tolist() == [-1]
    assert torch.equal(batch.voiced[0, : lengths[0]], torch.from_numpy(items[0].f0_hz > 0))
    expected = torch.from_numpy(items[1].frames[:, :80].astype(np.float32)).clamp(min=CONFIG.quietest)
    assert torch.equal(batch.mel[1], expected)


def test_the_stream_goes_on_where_it_stood(tmp_path):
    VoiceCacheWriter(tmp_path).write_shard(0, [make_item(n, 1 + n % 6) for n in range(30)])
    cache = VoiceCache([tmp_path])

    def start():
        return VoiceBatches(cache, CONFIG, BatchSampler(cache.lengths, 300, seed=1))

    first = start()
    stream = iter(first)
    for _ in range(3):
        next(stream)
    state = first.state_dict()
    wanted = next(stream)
    second = start()
    second.load_state_dict(state)
    found = next(iter(second))
    assert torch.equal(found.mel, wanted.mel)
