"""Drafts with and without a language model: padding and company never change them."""

import pytest
import torch

from recipes.train_language_model import count
from speech_adapter.beam_search import BeamOptions
from speech_adapter.ctc import CtcHead
from speech_adapter.drafting import Drafter, LlamaText
from speech_adapter.rescoring import RescoringOptions
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import CheckpointError

TOKENS = [66, 67, 68]  # letters, of which the tokenizer makes no longer ones


@pytest.fixture(scope="module")
def head() -> CtcHead:
    torch.manual_seed(0)
    head = CtcHead(3, 8)
    head.token_ids.copy_(torch.tensor(TOKENS))
    head.bind(torch.randn(300, 8))
    return head


@pytest.fixture(scope="module")
def text(head: CtcHead, tokenizer: ChatTokenizer) -> LlamaText:
    embeddings = torch.zeros(300, 8)
    embeddings[TOKENS] = head.embeddings
    return LlamaText(tokenizer, lambda ids: embeddings[ids])


@pytest.fixture(scope="module")
def drafter(head: CtcHead, text: LlamaText) -> Drafter:
    return Drafter(head, text, count([[1, 2, 3], [1, 2], [2, 2, 1]], TOKENS, 3, 1), BeamOptions())


def test_without_a_model_it_is_greedy_and_compressed(head: CtcHead, text: LlamaText) -> None:
    log_probs, lengths = torch.randn(2, 12, 4).log_softmax(-1), torch.tensor([12, 7])
    drafts = Drafter(head, text, None, BeamOptions())(log_probs, lengths)
    assert [draft.heard for draft in drafts] == head.greedy(log_probs, lengths)
    embeds, counts = head.compress(log_probs, lengths)
    for row, draft in enumerate(drafts):
        torch.testing.assert_close(draft.compressed, embeds[row, : int(counts[row])])


def test_a_batch_equals_its_items_and_padding_counts_for_nothing(drafter: Drafter) -> None:
    torch.manual_seed(1)
    log_probs, lengths = torch.randn(3, 15, 4).log_softmax(-1), torch.tensor([15, 4, 9])
    for row, together in enumerate(drafter(log_probs, lengths)):
        (alone,) = drafter(log_probs[row : row + 1, : lengths[row]], lengths[row : row + 1])
        assert alone.heard == together.heard
        torch.testing.assert_close(alone.compressed, together.compressed)


def test_each_token_has_its_place_and_its_embedding(drafter: Drafter, head: CtcHead) -> None:
    chances = torch.full((1, 7, 4), 1e-3)
    for place, number in enumerate((0, 1, 1, 0, 2, 0, 3)):
        chances[0, place, number] = 1.0
    (draft,) = drafter(chances.log().log_softmax(-1), torch.tensor([7]))
    assert draft.heard.token_ids == TOKENS
    assert draft.heard.starts == [1, 4, 6]
    assert draft.heard.ends == [3, 5, 7]
    torch.testing.assert_close(draft.compressed, head.embeddings, atol=0.05, rtol=0.05)


def test_where_nothing_is_heard_nothing_is_found(drafter: Drafter) -> None:
    silence = torch.tensor([[[5.0, 0.0, 0.0, 0.0]]]).expand(1, 30, 4).log_softmax(-1)
    (draft,) = drafter(silence, torch.tensor([30]))
    assert draft.heard.token_ids == []
    assert draft.compressed.shape == (0, 8)


def test_a_model_of_other_classes_is_refused(head: CtcHead, text: LlamaText) -> None:
    with pytest.raises(CheckpointError, match="another speech_adapter"):
        Drafter(head, text, count([[1, 2]], [5, 6], 2, 1), BeamOptions())


UNSURE = torch.tensor([[[0.02, 0.94, 0.02, 0.02], [0.96, 0.02, 0.01, 0.01], [0.02, 0.02, 0.47, 0.49]]])
ALONE = BeamOptions(weight=0.0, prior=0.0, bonus=0.0)


def test_a_reader_decides_between_near_texts(head: CtcHead, text: LlamaText) -> None:
    model = count([[1], [2], [3]], TOKENS, 2, 1)
    drafter = Drafter(head, text, model, ALONE, RescoringOptions(weight=1.0, bonus=0.0, margin=2.0))
    one, other, third = TOKENS
    seen = []

    def reader(texts):
        seen.extend(map(tuple, texts))
        return [0.0 if text[-1] == other else -1.0 for text in texts]

    lengths = torch.tensor([3])
    assert drafter(UNSURE.log(), lengths)[0].heard.token_ids == [one, third]
    assert drafter(UNSURE.log(), lengths, reader)[0].heard.token_ids == [one, other]
    assert set(seen) == {(one, other), (one, third)}  # the others are more than the margin behind
    sure = UNSURE[:, :2].log()
    assert drafter(sure, torch.tensor([2]), reader)[0].heard.token_ids == [one]
    assert len(seen) == 2  # one text alone needs no reader


def test_a_doubtful_token_is_given_as_the_mean_of_what_it_may_be(head: CtcHead, text: LlamaText) -> None:
    model = count([[1], [2], [3]], TOKENS, 2, 1)
    drafter = Drafter(head, text, model, ALONE, RescoringOptions(margin=2.0))
    (draft,) = drafter(UNSURE.log(), torch.tensor([3]))
    first, second, third = head.embeddings
    assert draft.heard.token_ids == [TOKENS[0], TOKENS[2]]
    torch.testing.assert_close(draft.compressed[0], first)
    torch.testing.assert_close(draft.compressed[1], (0.47 * second + 0.49 * third) / 0.96, atol=1e-4, rtol=0)
