"""The CTC head against formulas and loops: scores, greedy collapse, compression."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_adapter.ctc import CtcHead

D_LLAMA, VOCABULARY, LLAMA_VOCABULARY = 6, 4, 30
CLASSES = st.lists(st.integers(0, VOCABULARY), max_size=14)
BATCHES = st.lists(CLASSES, min_size=1, max_size=4)


def make_head(seed: int = 0) -> CtcHead:
    torch.manual_seed(seed)
    head = CtcHead(VOCABULARY, D_LLAMA)
    head.token_ids = torch.tensor([3, 7, 12, 29])
    head.bind(torch.randn(LLAMA_VOCABULARY, D_LLAMA))
    for parameter in head.parameters():
        parameter.data = torch.randn_like(parameter)
    return head


def scores_of(batch: list[list[int]], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random log-probabilities whose best classes are those of the batch; noise in the padding."""
    generator = torch.Generator().manual_seed(seed)
    positions = max(len(item) for item in batch)
    scores = torch.rand(len(batch), positions, VOCABULARY + 1, generator=generator)
    for row, item in zip(scores, batch, strict=True):
        for position, number in enumerate(item):
            row[position, number] += 1.5
    return scores.log_softmax(-1), torch.tensor([len(item) for item in batch])


def runs(item: list[int]) -> list[tuple[int, int, int]]:
    """Class, first and last + 1 position of every run that is not blank, by a loop."""
    found: list[tuple[int, int, int]] = []
    start = 0
    while start < len(item):
        end = start
        while end < len(item) and item[end] == item[start]:
            end += 1
        if item[start] != 0:
            found.append((item[start], start, end))
        start = end
    return found


def test_scores_equal_a_plain_formula():
    head = make_head().requires_grad_(False)
    embeds = torch.randn(2, 3, D_LLAMA)
    log_probs = head.log_probs(embeds)
    assert log_probs.shape == (2, 3, VOCABULARY + 1)
    for item in range(2):
        for position in range(3):
            x = embeds[item, position]
            products = [x @ head.blank, *(x @ row for row in head.embeddings)]
            scores = [float(p * math.exp(head.scale) + b) for p, b in zip(products, head.bias, strict=True)]
            total = math.log(sum(math.exp(s) for s in scores))
            expected = torch.tensor([s - total for s in scores])
            assert torch.allclose(log_probs[item, position], expected, atol=1e-5)


def test_binding_takes_the_rows_of_its_tokens():
    head = CtcHead(3, D_LLAMA)
    head.token_ids = torch.tensor([29, 0, 7])
    table = torch.randn(LLAMA_VOCABULARY, D_LLAMA).half()
    head.bind(table)
    assert torch.equal(head.embeddings, table[[29, 0, 7]].float())
    assert "embeddings" not in head.state_dict()  # the Llama has them
    assert "token_ids" in head.state_dict()
    assert not head.embeddings.requires_grad


def test_a_new_head_starts_at_the_frequencies_of_the_text():
    head = CtcHead(VOCABULARY, D_LLAMA)
    head.bind(torch.randn(LLAMA_VOCABULARY, D_LLAMA))
    head.start(torch.tensor([99, 0, 49, 0]), blank_share=0.7)
    silent = head.log_probs(torch.zeros(1, 1, D_LLAMA)).exp()[0, 0].tolist()
    assert silent == pytest.approx([0.7, 0.3 * 100 / 152, 0.3 / 152, 0.3 * 50 / 152, 0.3 / 152])
    own = [(float(row @ row) * math.exp(float(head.scale.detach()))) for row in head.embeddings]
    assert sum(own) / len(own) == pytest.approx(8.0, rel=1e-4)


@given(BATCHES, st.integers(0, 100))
def test_greedy_equals_a_loop(batch, seed):
    head = make_head()
    log_probs, lengths = scores_of(batch, seed)
    for item, row, found in zip(batch, log_probs, head.greedy(log_probs, lengths), strict=True):
        expected = runs(item)
        assert found.token_ids == [int(head.token_ids[number - 1]) for number, _, _ in expected]
        assert found.starts == [start for _, start, _ in expected]
        assert found.ends == [end for _, _, end in expected]
        means = [float(row[start:end, number].mean()) for number, start, end in expected]
        assert found.log_probs == pytest.approx(means, abs=1e-5)


@given(BATCHES, st.integers(0, 100))
def test_compress_equals_a_loop(batch, seed):
    head = make_head()
    log_probs, lengths = scores_of(batch, seed)
    embeds, tokens = head.compress(log_probs, lengths)
    assert tokens.tolist() == [len(h.token_ids) for h in head.greedy(log_probs, lengths)]
    assert embeds.shape == (len(batch), max(tokens.tolist()), D_LLAMA)
    for item, row, found in zip(batch, log_probs, embeds, strict=True):
        for number, (_, start, end) in enumerate(runs(item)):
            weights = row[start:end, 1:].exp()
            weights = weights / weights.sum(-1, keepdim=True)
            assert torch.allclose(found[number], (weights @ head.embeddings).mean(0), atol=1e-5)
        assert not found[len(runs(item)) :].any()


def test_a_sure_token_becomes_its_embedding():
    head = make_head()
    log_probs = torch.full((1, 5, VOCABULARY + 1), -1e4)
    for position, number in enumerate([2, 2, 0, 4, 4]):
        log_probs[0, position, number] = 0.0
    embeds, tokens = head.compress(log_probs, torch.tensor([5]))
    assert tokens.tolist() == [2]
    assert torch.allclose(embeds[0], head.embeddings[[1, 3]])


def test_compression_passes_gradients():
    head = make_head()
    hidden = torch.randn(2, 6, D_LLAMA, requires_grad=True)
    log_probs = head.log_probs(hidden)
    log_probs.retain_grad()
    embeds, tokens = head.compress(log_probs, torch.tensor([6, 4]))
    assert int(tokens.sum()) > 0
    embeds.square().sum().backward()
    spoken = log_probs.argmax(-1) > 0
    spoken[1, 4:] = False
    assert log_probs.grad is not None
    assert torch.equal(log_probs.grad.abs().sum(-1) > 0, spoken)
    assert hidden.grad is not None
    assert bool(hidden.grad.any())


@pytest.mark.parametrize("lengths", [[0], [0, 0], [3, 0]])
def test_nothing_said_gives_nothing(lengths):
    head = make_head()
    log_probs = torch.zeros(len(lengths), max(lengths), VOCABULARY + 1)
    log_probs[:, :, 0] = 1.0  # blank
    counted = torch.tensor(lengths)
    assert all(h == ([], [], [], []) for h in head.greedy(log_probs, counted))
    embeds, tokens = head.compress(log_probs, counted)
    assert embeds.shape == (len(lengths), 0, D_LLAMA)
    assert tokens.tolist() == [0] * len(lengths)


@given(BATCHES, st.integers(0, 50))
@settings(max_examples=30)
def test_padding_does_not_leak(batch, seed):
    head = make_head()
    log_probs, lengths = scores_of(batch, seed)
    poisoned = torch.cat([log_probs, torch.full((len(batch), 3, VOCABULARY + 1), -1.0)], dim=1)
    for row, length in zip(poisoned, lengths.tolist(), strict=True):
        row[length:, 2] = 9.0  # a token, loudly
    assert head.greedy(poisoned, lengths) == head.greedy(log_probs, lengths)
    assert torch.allclose(head.compress(poisoned, lengths)[0], head.compress(log_probs, lengths)[0])


def test_scores_of_16_bits_are_float32_log_probabilities():
    head = make_head()
    log_probs = head.log_probs(torch.randn(1, 4, D_LLAMA).bfloat16())
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(1, 4), atol=1e-5)
