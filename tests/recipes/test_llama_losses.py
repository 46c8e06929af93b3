"""Losses of answers through a frozen Llama: cross-entropy, and what the Llama foresees from text."""

import math

import pytest
import torch

from recipes.losses.llama_losses import answer_loss
from speech_adapter.llama import load_llama
from speech_adapter.sequence import build_sequence
from tests.fakes import TinyLlama


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return load_llama(TinyLlama().save(tmp_path_factory.mktemp("llama")))


def sequence(llama, prompt, answer, shift=None):
    """Token ids, then an answer; shift: added to the embeddings, trainable."""
    made = build_sequence([prompt], llama.embed, torch.zeros(2, llama.d_model), answer)
    return made if shift is None else made._replace(embeds=made.embeds + shift)


def items(llama, shift=None):
    return [sequence(llama, [5, 6, 7], [8, 9], shift), sequence(llama, [5, 9], [10, 11, 12], shift)]


def test_without_a_share_it_is_the_cross_entropy(llama):
    alone = [answer_loss(llama, [item], [None], 0.0)[0] for item in items(llama)]
    loss, figures = answer_loss(llama, items(llama), items(llama), 0.0)
    assert float(loss) == pytest.approx((2 * float(alone[0]) + 3 * float(alone[1])) / 5, rel=1e-4)
    assert figures["answer_loss"] == pytest.approx(float(loss))
    assert "divergence" not in figures


def test_the_same_input_diverges_from_nothing(llama):
    loss, figures = answer_loss(llama, items(llama), items(llama), 1.0)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert figures["answer_loss"] > 0.1


def test_only_items_with_words_have_a_divergence(llama):
    first, second = items(llama)
    other = sequence(llama, [12, 3], [10, 11, 12])
    entropy = float(answer_loss(llama, [first], [None], 0.0)[0])
    divergence = float(answer_loss(llama, [second], [other], 1.0)[0])
    assert divergence > 0
    loss, _ = answer_loss(llama, [first, second], [None, other], 0.5)
    assert math.isnan(answer_loss(llama, [first], [None], 0.5)[1]["divergence"])
    plain = float(answer_loss(llama, [second], [None], 0.0)[0])
    expected = (2 * entropy + 3 * (0.5 * plain + 0.5 * divergence)) / 5
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_learning_brings_the_input_to_what_the_text_foresees(llama):
    torch.manual_seed(0)
    shift = torch.nn.Parameter(torch.randn(llama.d_model) * 0.5)
    optimizer = torch.optim.Adam([shift], lr=0.05)
    losses = []
    for _ in range(30):
        loss, _ = answer_loss(llama, items(llama, shift), items(llama), 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
