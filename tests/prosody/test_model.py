"""The training view: what each output may depend on, padding, batches, saving, and that it can learn."""

import pytest
import torch

from prosody.features import Inputs, PhoneInputs, TokenInputs, text_inputs
from prosody.model import ProsodyModel, choice_vector, delayed_choices
from prosody.predictor import load_prosody, save_prosody
from prosody.targets import Targets, edges, normalise
from tests.prosody.texts import CONFIGS, TINY, make_groups, make_model, num_phones


def make_values(count, seed=0):
    torch.manual_seed(seed)
    return torch.randn(1, count, 3), torch.rand(1, count) < 0.7


def outputs_of(model, inputs, values, voiced):
    """(phones, quantities, numbers): everything the model says of one text; the voiced logit is with F0."""
    outputs = model(inputs, values, voiced)
    logit = outputs.voiced[..., None, None] * torch.tensor([0.0, 1.0, 0.0])[:, None]
    return torch.cat([*outputs.mixture, logit], dim=-1)[0]


@pytest.fixture(scope="module", params=list(CONFIGS))
def case(request):
    """A model of each kind with a text and its quantities."""
    config = CONFIGS[request.param]
    groups = make_groups(12)
    return make_model(config), groups, *make_values(num_phones(groups))


def changed_phones(before, after):
    """Of each quantity, the phones whose output changed."""
    differs = (before != after).any(-1)
    return [set(differs[:, quantity].nonzero()[:, 0].tolist()) for quantity in range(3)]


def test_phones_past_the_lookahead_do_not_leak(case):
    """Quantity k of phone i is chosen at step i + k, which sees phones up to i + k + lookahead."""
    model, groups, values, voiced = case
    inputs = text_inputs(groups, model.config)
    clean = outputs_of(model, inputs, values, voiced)
    total = len(clean)
    for place in range(total):
        fields = inputs.phones.fields.clone()
        fields[0, place] = torch.tensor([(int(fields[0, place, 0]) + 7) % 60, 3, 5, 6, 3])
        poisoned = inputs._replace(phones=inputs.phones._replace(fields=fields))
        changed = changed_phones(clean, outputs_of(model, poisoned, values, voiced))
        for quantity, phones in enumerate(changed):
            first = place - quantity - model.config.phone_lookahead
            assert all(phone >= first for phone in phones), (place, quantity)
        assert changed[0] | changed[2], "the outputs do not depend on the phone at all"


def test_tokens_of_later_groups_do_not_leak(case):
    model, groups, values, voiced = case
    config = model.config
    inputs = text_inputs(groups, config)
    if inputs.tokens is None:
        return
    clean = outputs_of(model, inputs, values, voiced)
    of_phone = inputs.phones.groups[0].tolist()
    changed_any = False
    for number in range(len(groups)):
        own = inputs.tokens.groups == number
        states = torch.where(own[..., None], torch.tensor(3e4), inputs.tokens.states)
        ids = torch.where(own, 11, inputs.tokens.token_ids)
        tokens = inputs.tokens._replace(states=states * torch.randn(config.d_llama), token_ids=ids)
        states = torch.where(own[..., None], tokens.states, inputs.tokens.states)
        poisoned = inputs._replace(tokens=tokens._replace(states=states))
        changed = changed_phones(clean, outputs_of(model, poisoned, values, voiced))
        changed_any |= bool(changed[0])
        for phone in changed[0]:
            assert of_phone[phone] + config.group_lookahead >= number
    assert changed_any


def test_quantities_chosen_later_do_not_leak(case):
    """Duration of i sees durations before i, F0 before i - 1, power before i - 2, and so on."""
    model, groups, values, voiced = case
    inputs = text_inputs(groups, model.config)
    clean = outputs_of(model, inputs, values, voiced)
    for place in range(0, len(clean), 3):
        for quantity in range(3):
            poisoned = values.clone()
            poisoned[0, place, quantity] += 100
            changed = changed_phones(clean, outputs_of(model, inputs, poisoned, voiced))
            told_at = place + quantity + 1  # the first step that is told of it
            for late, phones in enumerate(changed):
                assert all(phone + late >= told_at for phone in phones)


def test_f0_is_conditioned_on_the_duration_of_its_phone():
    model, groups = make_model(), make_groups(12)
    values, voiced = make_values(num_phones(groups))
    inputs = text_inputs(groups, TINY)
    clean = model(inputs, values, voiced).mixture.centres[0]
    values[0, 5, 0] += 1.0
    changed = (model(inputs, values, voiced).mixture.centres[0] != clean).any(-1)
    assert changed[5].tolist() == [False, True, True]
    assert not changed[:4].any()


def padded(items):
    """Several texts as one batch, with poison in the padding."""
    length = max(int(item.phones.lengths) for item in items) + 2
    tokens = max(int(item.tokens.lengths) for item in items) + 3
    batch = len(items)
    fields = torch.full((batch, length, 5), 3)
    groups = torch.full((batch, length), 2)
    ids = torch.full((batch, tokens), 9)
    token_groups = torch.zeros(batch, tokens, dtype=torch.int64)
    states = torch.full((batch, tokens, TINY.d_llama), 3e4)
    known = torch.ones(batch, tokens, dtype=torch.bool)
    for row, item in enumerate(items):
        count, several = int(item.phones.lengths), int(item.tokens.lengths)
        fields[row, :count], groups[row, :count] = item.phones.fields[0], item.phones.groups[0]
        ids[row, :several], token_groups[row, :several] = item.tokens.token_ids[0], item.tokens.groups[0]
        states[row, :several], known[row, :several] = item.tokens.states[0], item.tokens.known[0]
    phones = PhoneInputs(fields, groups, torch.cat([item.phones.lengths for item in items]))
    lengths = torch.cat([item.tokens.lengths for item in items])
    zero = torch.zeros(batch, dtype=torch.int64)
    return Inputs(phones, zero, zero, TokenInputs(ids, token_groups, states, known, lengths))


@pytest.mark.parametrize("name", ["tokens", "full"])
def test_batch_equals_single_and_padding_does_not_leak(name):
    model = make_model(CONFIGS[name])
    texts = [make_groups(count, seed=count) for count in (12, 1, 7, 20)]
    texts = [groups for groups in texts if num_phones(groups)]
    assert len(texts) >= 3
    items = [text_inputs(groups, TINY) for groups in texts]
    inputs = padded(items)
    total = inputs.phones.fields.shape[1]
    values, voiced = torch.full((len(items), total, 3), torch.nan), torch.ones(len(items), total) > 0
    alone = []
    for row, item in enumerate(items):
        count = int(item.phones.lengths)
        values[row, :count], voiced[row, :count] = (part[0] for part in make_values(count, row))
        alone.append(outputs_of(model, item, values[row : row + 1, :count], voiced[row : row + 1, :count]))
    together = model(inputs, values, voiced)
    for row, single in enumerate(alone):
        found = torch.cat([part[row, : len(single)] for part in together.mixture], dim=-1)
        torch.testing.assert_close(found, single[..., :-1], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(
            together.voiced[row, : len(single)], single[:, 1, -1], atol=2e-5, rtol=1e-5
        )


def test_choices_are_delayed_by_one_two_and_three_steps():
    values = torch.arange(1.0, 13).view(1, 4, 3)
    valid = torch.tensor([[True, True, True, False]])
    rows = delayed_choices(values, torch.tensor([[True, False, True, True]]), valid)[0]
    assert rows.tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 1, 0, 0],
        [4, 2, 0, 1, 1, 1, 0],
        [7, 5, 3, 0, 1, 1, 1],
        [0, 8, 6, 1, 0, 1, 1],
        [0, 0, 9, 0, 0, 0, 1],
    ]


def test_what_is_not_known_is_not_told():
    known = torch.tensor([True, False, False])
    told = choice_vector(torch.tensor([5.0, 6.0, 7.0]), torch.tensor(True), known)
    assert told.tolist() == [5, 0, 0, 0, 1, 0, 0]


def test_a_saved_model_loads_equal(tmp_path):
    model = make_model()
    save_prosody(tmp_path / "prosody", model, {"step": 1})
    loaded = load_prosody(tmp_path / "prosody")
    assert loaded.config == model.config
    inputs, (values, voiced) = text_inputs(make_groups(6), TINY), make_values(num_phones(make_groups(6)))
    assert torch.equal(outputs_of(model, inputs, values, voiced), outputs_of(loaded, inputs, values, voiced))


def test_it_learns_a_text_by_heart():
    torch.manual_seed(0)
    model, groups = ProsodyModel(TINY), make_groups(12)
    inputs = text_inputs(groups, TINY)
    raw = torch.randn(1, num_phones(groups), 3) * torch.tensor([0.4, 0.2, 2.0])
    targets = Targets(raw + torch.tensor(TINY.means), torch.rand(1, num_phones(groups)) < 0.7)
    speakers = torch.tensor([0])
    values = normalise(targets, speakers, TINY)
    low, high = edges(targets, speakers, TINY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(80):
        loss = -model(inputs, values, targets.voiced).mixture.log_mass(low, high).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.7
