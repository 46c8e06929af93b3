"""The stream equals the training view on its own choices, under any chunking; its state is a value."""

import math
from dataclasses import replace

import pytest
import torch

from prosody.features import text_inputs
from prosody.predictor import ProsodyOptions, ProsodyStream
from speech_core.errors import InputError, StreamClosedError
from speech_core.events import Phone, PhoneGroup
from tests.prosody.texts import CONFIGS, TINY, make_groups, make_model, num_phones
from tests.streaming_checks import closed_after_flush, run, streaming_equals_offline, tensors_of

MEAN, SAMPLE = ProsodyOptions(), ProsodyOptions(decoding="sample", seed=3)


def numbers(events):
    """(phones, 4) float64: the three quantities and whether there is an F0."""
    rows = [(e.log_duration, e.log_f0 or 0.0, e.log_power, float(e.log_f0 is not None)) for e in events]
    return torch.tensor(rows, dtype=torch.float64).view(-1, 4)


class Numbers:
    """A prosody stream whose outputs are tensors, for the shared checks."""

    def __init__(self, model, options=MEAN):
        self.stream = ProsodyStream(model, options)

    def push(self, groups):
        return numbers(self.stream.push(groups))

    def flush(self):
        return numbers(self.stream.flush())


def training_view(model, groups, events):
    """Means of the model's training view, given what was chosen before; and its voiced logits."""
    config = model.config
    rows = numbers(events)
    means, deviations = torch.tensor(config.means), torch.tensor(config.deviations)
    values = ((rows[:, :3] - means) / deviations).float()[None]
    voiced = rows[None, :, 3] > 0
    values[..., 1] = torch.where(voiced, values[..., 1], 0.0)
    outputs = model(text_inputs(groups, config), values, voiced)
    expected = outputs.mixture.mean()
    expected[..., 0] = outputs.mixture.log_mean_exp(deviations[:1].float())[..., 0]
    return expected[0].clamp(-5, 5) * deviations + means, outputs.voiced[0]


@pytest.mark.parametrize("name", list(CONFIGS))
def test_the_stream_equals_the_training_view_on_its_own_choices(name):
    model, groups = make_model(CONFIGS[name]), make_groups(25, seed=4)
    events = ProsodyStream(model).push(groups)
    stream = ProsodyStream(model)
    events = [*stream.push(groups), *stream.flush()]
    assert [event.phone for event in events] == [phone for group in groups for phone in group.phones]
    means, logits = training_view(model, groups, events)
    rows = numbers(events).float()
    voiced = rows[:, 3] > 0
    assert torch.allclose(rows[:, [0, 2]], means[:, [0, 2]], atol=1e-4)
    assert torch.allclose(rows[voiced, 1], means[voiced, 1], atol=1e-4)
    pauses = torch.tensor([event.phone.symbol == "SIL" for event in events])
    vowels = torch.tensor([event.phone.symbol[-1] in "012" for event in events])
    assert torch.equal(voiced, ((logits > 0) | vowels) & ~pauses)
    assert (vowels & (logits < 0)).any()
    assert voiced.any()


@pytest.mark.parametrize(("name", "options"), [("tokens", MEAN), ("group_ahead", SAMPLE)])
def test_streaming_equals_offline(name, options):
    model, groups = make_model(CONFIGS[name]), make_groups(6, seed=1)
    whole = Numbers(model, options)
    offline = torch.cat([whole.push(groups), whole.flush()])
    assert len(offline) == num_phones(groups) > 10
    streaming_equals_offline(lambda: Numbers(model, options), groups, offline)


def test_it_is_closed_after_flush():
    closed_after_flush(lambda: ProsodyStream(make_model()), make_groups(5))


def test_one_group_may_be_pushed_alone():
    model, groups = make_model(), make_groups(6)
    stream = ProsodyStream(model)
    singly = [event for group in groups for event in stream.push(group)] + stream.flush()
    assert singly == run(ProsodyStream(model), [groups])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_and_empty_texts(count):
    phones = tuple(Phone("AH0", 0, place, count - place - 1) for place in range(count))
    groups = [PhoneGroup((), (), (3,)), PhoneGroup(phones, (), (5, 6)), PhoneGroup((), (), (4,))]
    stream = ProsodyStream(make_model())
    assert len(stream.push(groups) + stream.flush()) == count


def test_a_phone_comes_out_when_its_lookahead_is_known():
    model = make_model()
    stream = ProsodyStream(model)
    lookahead = TINY.phone_lookahead + 2  # F0 comes one phone late, power two
    given = 0
    for place in range(30):
        given += len(stream.push(PhoneGroup((Phone("AH0", place),))))
        assert given == max(0, place + 1 - lookahead)
    full = ProsodyStream(make_model(CONFIGS["full"]))
    assert full.push(make_groups(20)) == []


def test_states_of_the_future_do_not_leak():
    """Events given before a group came are what they are whatever it holds."""
    model, groups = make_model(), make_groups(16, seed=2)
    for place in range(1, len(groups)):
        clean, poisoned = ProsodyStream(model), ProsodyStream(model)
        before = clean.push(groups[:place])
        assert poisoned.push(groups[:place]) == before
        states = torch.full((len(groups[place].token_ids), TINY.d_llama), 1e4)
        poison = replace(groups[place], embeddings=states)
        clean.push(groups[place])
        poisoned.push(poison)
    whole = run(ProsodyStream(model), [groups])
    changed = run(ProsodyStream(model), [[*groups[:-4], *(replace(g, embeddings=None) for g in groups[-4:])]])
    first = num_phones(groups[:-4])
    assert whole[: first - 2] == changed[: first - 2]
    assert whole != changed


def test_missing_states_are_no_error():
    groups = [replace(group, embeddings=None) for group in make_groups(8)]
    assert len(run(ProsodyStream(make_model()), [groups])) == num_phones(groups)


def test_the_state_can_be_forked():
    model, groups = make_model(), make_groups(20)
    stream = ProsodyStream(model)
    stream.push(groups[:10])
    kept = [tensor.clone() for tensor in tensors_of(stream.state)]
    state = stream.state
    left, right = ProsodyStream(model, state=state), ProsodyStream(model, state=state)
    first = left.push(groups[10:]) + left.flush()
    right.push(make_groups(9, seed=8))
    assert stream.state is state
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors_of(state), strict=True))
    assert stream.push(groups[10:]) + stream.flush() == first


@pytest.mark.parametrize("name", ["tokens", "group_ahead"])
def test_the_state_is_bounded(name):
    model = make_model(CONFIGS[name])
    stream, groups = ProsodyStream(model), [g for g in make_groups(16) if g.phones]
    sizes = []
    for turn in range(4):
        for group in groups:
            stream.push(group)
        sizes.append(sum(tensor.numel() for tensor in tensors_of(stream.state)))
        assert len(stream.state.phones) <= TINY.phone_lookahead + 10, turn
    assert len(set(sizes[1:])) == 1, sizes


def test_groups_without_phones_do_not_pile_up():
    stream = ProsodyStream(make_model())
    stream.push(make_groups(5))
    for _ in range(40):
        stream.push(PhoneGroup((), (), (3, 4)))
    assert len(stream.state.tokens) <= TINY.left_context_groups + 6


def test_a_seed_gives_the_same_sample_again_and_another_seed_another():
    model, groups = make_model(), make_groups(10)
    first = run(ProsodyStream(model, SAMPLE), [groups])
    assert run(ProsodyStream(model, SAMPLE), [groups]) == first
    assert run(ProsodyStream(model, replace(SAMPLE, seed=4)), [groups]) != first
    assert run(ProsodyStream(model, ProsodyOptions(decoding="mode")), [groups]) != first


def test_controls_are_factors_and_change_nothing_else():
    model, groups = make_model(), make_groups(10)
    plain = run(ProsodyStream(model), [groups])
    changed = run(ProsodyStream(model, ProsodyOptions(rate=2.0, pitch=1.5, energy=4.0)), [groups])
    for before, after in zip(plain, changed, strict=True):
        assert after.phone == before.phone
        assert after.log_duration == pytest.approx(before.log_duration - math.log(2))
        assert after.log_power == pytest.approx(before.log_power + math.log(4))
        assert (after.log_f0 is None) == (before.log_f0 is None)
        if before.log_f0 is not None:
            assert after.log_f0 == pytest.approx(before.log_f0 + math.log(1.5))


def test_speakers_and_styles_by_name():
    config = replace(
        TINY, speakers=("a", "b"), styles=("x", "y"), means=TINY.means * 2, deviations=(1.0,) * 6
    )
    model, groups = make_model(config), make_groups(6)
    plain = run(ProsodyStream(model), [groups])
    assert run(ProsodyStream(model, ProsodyOptions(speaker="a", style="x")), [groups]) == plain
    assert run(ProsodyStream(model, ProsodyOptions(speaker="b")), [groups]) != plain
    assert run(ProsodyStream(model, ProsodyOptions(style="y")), [groups]) != plain
    with pytest.raises(InputError, match="speaker 'c'"):
        ProsodyStream(model, ProsodyOptions(speaker="c"))


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 0.0},
        {"pitch": 9.0},
        {"energy": -1.0},
        {"decoding": "best"},
        {"temperature": 0.0},
        {"seed": -1},
    ],
)
def test_impossible_options_are_refused(values):
    with pytest.raises(InputError):
        ProsodyOptions(**values)


def test_an_unknown_phone_changes_nothing():
    stream = ProsodyStream(make_model())
    state = stream.state
    with pytest.raises(InputError, match="XX"):
        stream.push(PhoneGroup((Phone("XX"),)))
    assert stream.state is state
    stream.flush()
    with pytest.raises(StreamClosedError):
        stream.push([])
