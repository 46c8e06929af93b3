"""Cross-attention against a slow implementation; distance is all that counts; it may attend to nothing."""

import torch

from prosody.layers import CrossAttention, angles_at
from tests.prosody.texts import TINY

STEPS, ITEMS = 3, 5


def make_attention(d_memory: int = 7) -> CrossAttention:
    torch.manual_seed(0)
    attention = CrossAttention(TINY.d_model, d_memory, TINY.num_heads)
    torch.nn.init.normal_(attention.nothing)
    return attention.requires_grad_(False)


def run(attention, x, memory, shift=0, mask=None):
    steps = angles_at(torch.arange(shift, shift + STEPS)[None], TINY)
    items = angles_at(torch.arange(shift, shift + memory.shape[1])[None], TINY)
    return attention(x, steps, attention.remember(memory, items), mask)


def slow(attention, x, memory, mask):
    """One head and one query at a time, rotation by complex numbers."""
    d_head = TINY.d_head
    rates = TINY.rope_base ** (-torch.arange(0, d_head, 2).double() / d_head)

    def turned(vector, position):
        first, second = vector.double().chunk(2)
        pairs = torch.complex(first, second) * torch.exp(1j * position * rates)
        return torch.cat([pairs.real, pairs.imag])

    keys, values = attention.key_value(memory).chunk(2, -1)
    rows = []
    for step in range(STEPS):
        heads = []
        for head in range(TINY.num_heads):
            part = slice(head * d_head, (head + 1) * d_head)
            query = turned(attention.query(x)[0, step, part], step)
            scores = [torch.zeros((), dtype=torch.float64)]
            choices = [attention.nothing[head].double()]
            for item in range(memory.shape[1]):
                if mask[step, item]:
                    scores.append(query @ turned(keys[0, item, part], item) / d_head**0.5)
                    choices.append(values[0, item, part].double())
            heads.append((torch.stack(scores).softmax(0)[:, None] * torch.stack(choices)).sum(0))
        rows.append(attention.out(torch.cat(heads).float()))
    return torch.stack(rows)[None]


def test_it_equals_the_slow_implementation():
    attention, x, memory = make_attention(), torch.randn(1, STEPS, TINY.d_model), torch.randn(1, ITEMS, 7)
    mask = torch.rand(STEPS, ITEMS) < 0.6
    expected = slow(attention, x, memory, mask)
    torch.testing.assert_close(run(attention, x, memory, mask=mask[None, None]), expected)


def test_only_distance_counts():
    attention, x, memory = make_attention(), torch.randn(1, STEPS, TINY.d_model), torch.randn(1, ITEMS, 7)
    torch.testing.assert_close(
        run(attention, x, memory), run(attention, x, memory, shift=500), atol=1e-5, rtol=1e-5
    )


def test_with_nothing_to_see_the_learned_value_comes_out():
    attention, x = make_attention(), torch.randn(1, STEPS, TINY.d_model)
    expected = attention.out(attention.nothing.flatten()).expand(1, STEPS, -1)
    torch.testing.assert_close(run(attention, x, torch.zeros(1, 0, 7)), expected)
    hidden = run(attention, x, torch.randn(1, ITEMS, 7), mask=torch.zeros(1, 1, STEPS, ITEMS).bool())
    torch.testing.assert_close(hidden, expected)
