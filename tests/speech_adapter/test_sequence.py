"""Embeddings and labels of text and speech; with token embeddings as speech the Llama is plain Llama."""

import pytest
import torch

from speech_adapter.engine import RunOptions
from speech_adapter.prompts import Speech, recognition_turns, render
from speech_adapter.sequence import NO_LABEL, answer_places, build_sequence, pad_sequences
from speech_core.errors import InputError

WIDTH = 32


@pytest.fixture
def boundaries():
    return torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(3), requires_grad=True)


def speech_of(positions, seed=0):
    return Speech(torch.randn(positions, WIDTH, generator=torch.Generator().manual_seed(seed)))


def test_parts_stand_in_order_and_only_the_answer_is_labelled(llama, boundaries):
    speech, other = speech_of(4), speech_of(1, seed=1)
    item = build_sequence([[5, 6], speech, [7], other], llama.embed, boundaries, [8, 9, 2])
    expected = [
        llama.embed(torch.tensor([5, 6])),
        *(boundaries[:1], speech.embeds, boundaries[1:]),
        llama.embed(torch.tensor([7])),
        *(boundaries[:1], other.embeds, boundaries[1:]),
        llama.embed(torch.tensor([8, 9, 2])),
    ]
    assert torch.equal(item.embeds, torch.cat(expected))
    assert item.labels.tolist() == [NO_LABEL] * 12 + [8, 9, 2]


def test_token_embeddings_as_speech_give_plain_llamas_logits(engine, tokenizer, llama):
    """Boundaries and speech replaced by token embeddings: the sequence is the text itself."""
    words = tokenizer.encode("some words")
    ends = tokenizer.encode("()")
    speech = Speech(engine.embed(torch.tensor(words)))
    pieces = render(tokenizer, recognition_turns(speech, "en"))
    item = build_sequence(pieces, engine.embed, engine.embed(torch.tensor(ends)), tokenizer.encode("yes"))
    text = tokenizer.render(
        [
            {"role": "system", "content": "Repeat after me in English:"},
            {"role": "user", "content": "(some words)"},
        ]
    )
    ids = torch.tensor([tokenizer.encode(text + "yes")])
    assert item.embeds.shape[0] == ids.shape[1]
    options = RunOptions(num_logits=ids.shape[1])
    with torch.inference_mode():
        plain = llama.model(input_ids=ids).logits
    torch.testing.assert_close(
        engine.run(item.embeds[None], options=options).logits, plain, atol=2e-4, rtol=1e-4
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(llama, boundaries, side):
    items = [
        build_sequence([[5]], llama.embed, boundaries, [2]),
        build_sequence([[5], speech_of(2)], llama.embed, boundaries, [8, 2]),
    ]
    batch = pad_sequences(items, side)
    assert batch.embeds.shape == (2, 7, WIDTH)
    for row, item in enumerate(items):
        valid = batch.mask[row]
        assert torch.equal(batch.embeds[row][valid], item.embeds)
        assert torch.equal(batch.labels[row][valid], item.labels)
        assert batch.position_ids[row][valid].tolist() == list(range(len(item.embeds)))
    assert batch.mask[0].tolist() == (
        [False] * 5 + [True] * 2 if side == "left" else [True] * 2 + [False] * 5
    )
    assert (batch.labels[0][~batch.mask[0]] == NO_LABEL).all()


def test_answer_places_predict_the_labels(llama, boundaries):
    """The loss there equals the usual shifted loss, and its gradient reaches speech and boundaries alone."""
    embeds = speech_of(3).embeds.requires_grad_()
    speech = Speech(embeds)
    items = [
        build_sequence([[5, 6], speech, [7]], llama.embed, boundaries, [8, 9, 2]),
        build_sequence([[5]], llama.embed, boundaries, [4, 2]),
    ]
    batch = pad_sequences(items, "right")
    states = llama.hidden_states(batch.embeds, batch.mask)
    places = answer_places(batch.labels)
    loss = torch.nn.functional.cross_entropy(
        llama.logits(states[places.rows, places.positions]), places.targets
    )
    shifted = llama.model(
        inputs_embeds=batch.embeds, attention_mask=batch.mask.long(), labels=batch.labels
    ).loss
    torch.testing.assert_close(loss, shifted, atol=1e-5, rtol=1e-5)
    loss.backward()
    assert embeds.grad is not None
    assert embeds.grad.abs().sum() > 0
    assert boundaries.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in llama.model.parameters())


def test_a_label_without_a_state_before_it_is_left_out():
    labels = torch.tensor([[4, 5, NO_LABEL], [NO_LABEL, NO_LABEL, 6]])
    places = answer_places(labels)
    assert places.rows.tolist() == [0, 1]
    assert places.positions.tolist() == [0, 1]
    assert places.targets.tolist() == [5, 6]


def test_empty_speech_keeps_its_boundaries(llama, boundaries):
    item = build_sequence([Speech(torch.zeros(0, WIDTH))], llama.embed, boundaries)
    assert torch.equal(item.embeds, boundaries)


def test_wrong_width_side_and_empty_batch_are_refused(llama, boundaries):
    with pytest.raises(InputError, match="32 wide"):
        build_sequence([Speech(torch.zeros(2, 31))], llama.embed, boundaries)
    with pytest.raises(InputError, match="'middle'"):
        pad_sequences([build_sequence([[5]], llama.embed, boundaries)], "middle")
    with pytest.raises(InputError, match="no sequence"):
        pad_sequences([])
