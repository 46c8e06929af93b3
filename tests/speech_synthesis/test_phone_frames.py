import math
import random

import pytest
import torch

from speech_core.events import Phone, ProsodyEvent
from speech_synthesis.config import AcousticConfig
from speech_synthesis.phone_frames import PhoneReader, SpokenPhone, spread

CONFIG = AcousticConfig()


def event(symbol="AH0", seconds=0.05, f0_hz=200.0, log_power=-6.0, **places):
    log_f0 = None if f0_hz is None else math.log(f0_hz)
    return ProsodyEvent(Phone(symbol, **places), math.log(seconds), log_f0, log_power)


def test_rounding_does_not_add_up():
    reader = PhoneReader(CONFIG)
    frames = [reader.read(event(seconds=0.056)).frames for _ in range(100)]
    assert set(frames) == {4, 5}
    assert sum(frames) == pytest.approx(0.056 * 80 * 100, abs=1)


def test_every_phone_has_a_frame_and_owes_at_most_one():
    reader = PhoneReader(CONFIG)
    assert [reader.read(event(seconds=0.001)).frames for _ in range(10)] == [1] * 10
    assert reader.read(event(seconds=0.1)).frames == 7


def test_pitch_is_carried_over_unvoiced_phones():
    reader = PhoneReader(CONFIG)
    read = [reader.read(event(f0_hz=f0)) for f0 in (None, 180.0, None, 240.0)]
    assert [phone.is_voiced for phone in read] == [False, True, False, True]
    assert [math.exp(p.log_f0) for p in read[1:]] == pytest.approx([180, 180, 240])
    assert read[0].log_f0 == CONFIG.mean_log_f0


def test_an_unknown_phone_is_a_pause():
    assert PhoneReader(CONFIG).read(event("XX")).number == CONFIG.phones.index("SIL")


def test_word_edges_are_marked():
    reader = PhoneReader(CONFIG)
    read = [reader.read(event(word=0, place=n, remaining=2 - n)) for n in range(3)]
    assert [(p.is_first, p.is_last) for p in read] == [(True, False), (False, False), (False, True)]
    assert not reader.read(event("SIL")).is_first


def phone(number, frames, log_f0=5.0, log_power=-6.0, is_voiced=True):
    return SpokenPhone(number, frames, log_f0, is_voiced, log_power, False, False)


def test_frames_know_their_phones_and_places():
    inputs = spread([None, phone(3, 2), phone(4, 3), None], CONFIG)
    beyond = len(CONFIG.phones)
    assert inputs.phones.tolist() == [[beyond, 3, 4]] * 2 + [[3, 4, beyond]] * 3
    torch.testing.assert_close(inputs.numbers[:, 0], torch.tensor([0.25, 0.75, 1 / 6, 0.5, 5 / 6]))


def test_power_passes_through_the_middles():
    inputs = spread([None, phone(3, 5, log_power=-8.0), phone(4, 5, log_power=-4.0), None], CONFIG)
    assert inputs.power[[2, 7]].tolist() == pytest.approx([-8.0, -4.0])
    assert float(inputs.power.diff().min()) >= 0
    assert float(inputs.power.diff().max()) < 1.0


def test_voiced_phones_have_the_requested_mean_pitch():
    draw = random.Random(0)
    phones = [
        phone(n, draw.randint(1, 12), draw.uniform(4.6, 5.8), -6.0, draw.random() < 0.8) for n in range(60)
    ]
    inputs = spread([None, *phones, None], CONFIG)
    pieces = inputs.f0.split([one.frames for one in phones])
    for one, piece in zip(phones, pieces, strict=True):
        if one.is_voiced:
            assert float(piece.mean()) == pytest.approx(one.log_f0, abs=1e-5)


def test_pitch_meets_the_next_phone_half_way():
    inputs = spread([None, phone(3, 50, 5.0), phone(4, 50, 5.4), None], CONFIG)
    assert inputs.f0[49:51].tolist() == pytest.approx([5.2, 5.2], abs=0.02)
    assert float(inputs.f0.diff().abs().max()) < 0.03


def test_unvoiced_neighbours_bend_nothing():
    phones = [phone(2, 4, 5.0), phone(3, 4, 5.0, is_voiced=False), phone(4, 4, 5.4)]
    inputs = spread([None, *phones, None], CONFIG)
    assert inputs.f0[[*range(4), *range(8, 12)]].tolist() == pytest.approx([5.0] * 4 + [5.4] * 4)
    assert inputs.f0[4:8].tolist() == pytest.approx([5.05, 5.15, 5.25, 5.35])


def test_phones_may_be_spread_one_by_one():
    phones = [None, *(phone(n, n + 1, 5 + n / 10, -n) for n in range(1, 6)), None]
    whole = spread(phones, CONFIG)
    pieces = [spread(phones[n : n + 3], CONFIG) for n in range(5)]
    for part, several in zip(whole, zip(*pieces, strict=True), strict=True):
        assert torch.equal(part, torch.cat(several))
