import math

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


def phone(number, frames, log_f0=5.0, log_power=-6.0):
    return SpokenPhone(number, frames, log_f0, True, log_power, False, False)


def test_frames_know_their_phones_and_places():
    inputs = spread([None, phone(3, 2), phone(4, 3), None], CONFIG)
    beyond = len(CONFIG.phones)
    assert inputs.phones.tolist() == [[beyond, 3, 4]] * 2 + [[3, 4, beyond]] * 3
    torch.testing.assert_close(inputs.numbers[:, 0], torch.tensor([0.25, 0.75, 1 / 6, 0.5, 5 / 6]))


def test_lines_pass_through_the_middles():
    inputs = spread([None, phone(3, 5, 5.0, -8.0), phone(4, 5, 5.4, -4.0), None], CONFIG)
    assert inputs.f0[[2, 7]].tolist() == pytest.approx([5.0, 5.4])
    assert inputs.power[[2, 7]].tolist() == pytest.approx([-8.0, -4.0])
    steps = inputs.f0.diff()
    assert float(steps.min()) >= 0
    assert float(steps.max()) < 0.1


def test_phones_may_be_spread_one_by_one():
    phones = [None, *(phone(n, n + 1, 5 + n / 10, -n) for n in range(1, 6)), None]
    whole = spread(phones, CONFIG)
    pieces = [spread(phones[n : n + 3], CONFIG) for n in range(5)]
    for part, several in zip(whole, zip(*pieces, strict=True), strict=True):
        assert torch.equal(part, torch.cat(several))
