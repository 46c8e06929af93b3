"""The mean embedding of texts in question: token for token, by how likely each is."""

import pytest
import torch

from speech_adapter.expected_embeddings import expected_embeddings

EMBEDDINGS = torch.eye(10)


def embed(token_ids):
    return EMBEDDINGS[token_ids]


def test_one_text_is_given_as_it_is():
    assert expected_embeddings([[3, 1, 4]], [-20.0], embed).equal(EMBEDDINGS[[3, 1, 4]])


def test_other_tokens_in_the_same_place_count_as_much_as_their_text():
    found = expected_embeddings([[3, 1, 4], [3, 2, 4]], torch.tensor([0.75, 0.25]).log().tolist(), embed)
    between = 0.75 * EMBEDDINGS[1] + 0.25 * EMBEDDINGS[2]
    torch.testing.assert_close(found, torch.stack([EMBEDDINGS[3], between, EMBEDDINGS[4]]))


@pytest.mark.parametrize("other", [[3, 4], [3, 1, 5, 4], [3, 5, 6, 7, 4], []])
def test_more_or_fewer_tokens_leave_those_of_the_first(other):
    torch.testing.assert_close(
        expected_embeddings([[3, 1, 4], other], [0.0, 0.0], embed), EMBEDDINGS[[3, 1, 4]]
    )
