import dataclasses
import math
import random

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from speech_core.checkpoint import save_component
from speech_core.events import Phone, ProsodyEvent
from speech_synthesis.acoustic import (
    AcousticModel,
    AcousticOutputs,
    AcousticStream,
    load_acoustic,
    sharpen,
    to_frames,
)
from speech_synthesis.config import ACOUSTIC_PRESETS
from speech_synthesis.phone_frames import FrameInputs, PhoneReader, spread
from tests.streaming_checks import assert_same, closed_after_flush, streaming_equals_offline

CONFIG = dataclasses.replace(ACOUSTIC_PRESETS["tiny"], num_blocks=2, contrast=0.3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return AcousticModel(CONFIG).eval().requires_grad_(False)


def events_of(number, seed=0):
    draw = random.Random(seed)
    return [
        ProsodyEvent(
            Phone(draw.choice(CONFIG.phones), word=n // 3, place=n % 3, remaining=2 - n % 3),
            math.log(draw.uniform(0.02, 0.2)),
            draw.choice([None, draw.uniform(4.6, 5.8)]),
            draw.uniform(-14, -4),
        )
        for n in range(number)
    ]


def inputs_of(events):
    reader = PhoneReader(CONFIG)
    return spread([None, *map(reader.read, events), None], CONFIG)


def batch_of(items):
    parts = list(zip(*items, strict=True))
    fills = (-1, math.nan, 0.0, 0.0)
    return FrameInputs(
        *(pad_sequence(part, True, padding_value=fill) for part, fill in zip(parts, fills, strict=True))
    )


class Frames:
    """An acoustic stream whose outputs are tensors."""

    def __init__(self, model):
        self.stream = AcousticStream(model)

    def push(self, events):
        return self._join(self.stream.push(events))

    def flush(self):
        return self._join(self.stream.flush())

    def _join(self, parts):
        return torch.cat(parts) if parts else torch.zeros(0, CONFIG.frames.num_channels + 1)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 14])
def test_the_stream_equals_the_whole(model, number):
    events = events_of(number)
    if number:
        outputs = model(FrameInputs(*(part[None] for part in inputs_of(events))))
        whole = to_frames(AcousticOutputs(*(part[0] for part in outputs)), CONFIG)
    else:
        whole = torch.zeros(0, CONFIG.frames.num_channels + 1)
    streaming_equals_offline(lambda: Frames(model), events, whole)


def test_the_stream_closes(model):
    closed_after_flush(lambda: Frames(model), events_of(4))


def test_a_batch_equals_its_items_and_padding_does_not_leak(model):
    items = [inputs_of(events_of(number, number)) for number in (3, 9, 5)]
    together = model(batch_of(items))
    for row, item in enumerate(items):
        alone = model(FrameInputs(*(part[None] for part in item)))
        for several, single in zip(together, alone, strict=True):
            assert_same(several[row, : len(item.f0)], single[0])


def test_the_future_ends_at_the_lookahead(model):
    inputs = FrameInputs(*(part[None] for part in inputs_of(events_of(8))))
    cut = 20
    changed = FrameInputs(*(part.clone() for part in inputs))
    changed.numbers[:, cut:] += 1.0
    before, after = model(inputs), model(changed)
    known = cut - CONFIG.lookahead_frames
    assert torch.equal(before.mel[:, :known], after.mel[:, :known])
    assert not torch.equal(before.mel[:, known], after.mel[:, known])


def test_frames_fit_the_requested_durations(model):
    stream = Frames(model)
    events = events_of(30)
    frames = torch.cat([stream.push(events), stream.flush()])
    assert stream.stream.num_frames == len(frames)
    assert len(frames) == pytest.approx(sum(math.exp(e.log_duration) for e in events) * 80, abs=2)


def test_requested_pitch_and_power_are_added(model):
    """All requests one octave up and ten times stronger: the network sees it, the lines carry it."""
    inputs = FrameInputs(*(part[None] for part in inputs_of(events_of(6))))
    moved = inputs._replace(f0=inputs.f0 + math.log(2), power=inputs.power + math.log(10))
    before, after = model(inputs), model(moved)
    torch.testing.assert_close(after.f0 - before.f0, torch.full_like(before.f0, math.log(2)))
    torch.testing.assert_close(after.mel - before.mel, torch.full_like(before.mel, math.log(10)))


def test_unvoiced_frames_have_no_pitch():
    shape = (2, 3)
    outputs = AcousticOutputs(
        torch.full((*shape, 80), -9.0),
        torch.zeros(*shape, 12),
        torch.full(shape, 5.0),
        torch.tensor([[1.0, -1.0, 0.0]] * 2),
    )
    f0_hz = to_frames(outputs, CONFIG)[..., -1]
    assert f0_hz.tolist() == [[pytest.approx(math.exp(5.0)), 0.0, 0.0]] * 2


def test_a_saved_model_gives_the_same(model, tmp_path):
    model.mean.fill_(0.5)
    save_component(tmp_path / "acoustic", model, CONFIG, {})
    loaded = load_acoustic(tmp_path / "acoustic")
    inputs = FrameInputs(*(part[None] for part in inputs_of(events_of(3))))
    assert torch.equal(loaded(inputs).mel, model(inputs).mel)


def test_peaks_rise_and_power_stays():
    bands = torch.arange(80.0)
    mel = (-12 + 2 * torch.cos(bands / 4) - bands / 40).expand(3, -1)
    sharp = sharpen(mel, dataclasses.replace(CONFIG, contrast=0.5))
    assert_same(sharp.logsumexp(-1), mel.logsumexp(-1))
    change = (sharp - mel)[0]
    assert change[25] - change[38] > 1.0  # a peak and the valley beside it
    assert (sharp.max(-1).values - sharp.min(-1).values > mel.max() - mel.min()).all()
    assert torch.equal(sharpen(mel, dataclasses.replace(CONFIG, contrast=0.0)), mel)
    level = torch.full((2, 80), -9.0)
    assert_same(sharpen(level, CONFIG), level)
