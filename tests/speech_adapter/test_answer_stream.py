"""One answer as a stream: equal to the batch, sampled, stopped by texts, cancelled."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_adapter.answer_stream import AnswerStream, StopTexts, StreamOptions, TextStream
from speech_adapter.engine import RunOptions, TransformersEngine
from speech_adapter.generation import decode
from speech_adapter.sampling import Sampling
from speech_adapter.sequence import InputSequence
from speech_core.errors import InputError
from speech_core.events import TokenEvent
from tests.speech_adapter.test_generation import prompt_of, rules


@pytest.fixture(scope="module")
def prompts(llama):
    engine = TransformersEngine(llama)
    return [prompt_of(engine, length, seed) for seed, length in enumerate((1, 7, 3, 12, 5))]


@pytest.mark.parametrize("with_embeddings", [False, True])
def test_stream_equals_the_batch(engine, tokenizer, prompts, with_embeddings):
    for prompt, rule in ((prompts[1], rules()), (prompts[3], rules(5)), (prompts[0], rules(0))):
        answer = decode(engine, [prompt], [rule])[0]
        stream = AnswerStream(engine, tokenizer, prompt, rule, StreamOptions(embeddings=with_embeddings))
        events = list(stream)
        assert stream.reason == answer.reason
        assert [event.token_id for event in events] == answer.token_ids
        torch.testing.assert_close(
            [event.log_prob for event in events], answer.log_probs, atol=1e-3, rtol=1e-3
        )
        assert all((event.embedding is not None) == with_embeddings for event in events)


def test_embeddings_of_events_are_those_of_the_whole(engine, tokenizer, prompts):
    """The middle-layer output at each token, as if prompt and answer had been run at once."""
    events = list(AnswerStream(engine, tokenizer, prompts[2], rules(10), StreamOptions(embeddings=True)))
    said = engine.embed(torch.tensor([event.token_id for event in events]))
    whole = engine.run(torch.cat([prompts[2].embeds, said])[None], options=RunOptions(hidden=True)).hidden[0]
    streamed = torch.stack([event.embedding for event in events if event.embedding is not None])
    torch.testing.assert_close(streamed, whole[len(prompts[2].embeds) :], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("text", ["plain words", "Grüße 你好 🎉!", "", "é"])
def test_text_stream_joins_to_the_text(tokenizer, text):
    stream = TextStream(tokenizer)
    parts = [stream.push(token) for token in tokenizer.encode(text)]
    assert "".join(parts) + stream.flush() == text
    assert not any("\ufffd" in part for part in parts)


def test_text_stream_shows_an_unfinished_character_at_the_end(tokenizer):
    stream = TextStream(tokenizer)
    parts = [stream.push(token) for token in tokenizer.encode("aü")[:2]]
    assert "".join(parts) == "a"
    assert stream.flush() == "\ufffd"
    assert stream.flush() == ""


def test_sampling_repeats_by_seed_and_varies_without(engine, tokenizer, prompts):
    def ids(seed, embeddings=False):
        how = StreamOptions(Sampling(temperature=1.5, seed=seed), embeddings=embeddings)
        stream = AnswerStream(engine, tokenizer, prompts[1], rules(12, end_ids=()), how)
        return [event.token_id for event in stream]

    assert ids(1) == ids(1) == ids(1, embeddings=True)
    assert ids(1) != ids(2)


def test_a_prefix_goes_on_where_it_ended(engine, tokenizer, prompts):
    whole = list(AnswerStream(engine, tokenizer, prompts[3], rules(8)))
    first, rest = prompts[3].embeds[:5], prompts[3].embeds[5:]
    cache = engine.run(first[None], options=RunOptions(num_logits=0)).cache
    prompt = InputSequence(rest, torch.zeros(len(rest), dtype=torch.int64))
    for _ in range(2):  # the cache of the prefix is not used up
        events = list(AnswerStream(engine, tokenizer, prompt, rules(8), prefix=cache))
        assert [event.token_id for event in events] == [event.token_id for event in whole]


def test_cancel_ends_before_the_next_event(engine, tokenizer, prompts):
    stream = AnswerStream(engine, tokenizer, prompts[1], rules(20, end_ids=()))
    assert [next(stream).token_id, next(stream).token_id] == stream.token_ids
    stream.cancel()
    assert list(stream) == []
    assert stream.reason == "cancelled"


def test_stop_texts_end_the_answer_in_front_of_them(engine, tokenizer, prompts):
    whole = AnswerStream(engine, tokenizer, prompts[1], rules(20, end_ids=()))
    text = "".join(event.text for event in whole)
    stop = text[5:8]
    stream = AnswerStream(engine, tokenizer, prompts[1], rules(20, end_ids=()), StreamOptions(stop=(stop,)))
    assert "".join(event.text for event in stream) == text[: text.index(stop)] == stream.text
    assert stream.reason == "stop"


def test_a_prompt_that_leaves_no_room_is_refused(engine, tokenizer):
    prompt = prompt_of(engine, engine.max_positions, 0)
    with pytest.raises(InputError, match=f"fills {engine.max_positions} positions.*shorten it"):
        AnswerStream(engine, tokenizer, prompt, rules())
    short = prompt_of(engine, engine.max_positions - 3, 0)
    stream = AnswerStream(engine, tokenizer, short, rules(20, end_ids=()))
    assert len(list(stream)) == 3
    assert stream.reason == "length"


def events_of(texts):
    return [TokenEvent(number, text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "stops", "expected"),
    [
        (["a", "b", "c"], ["b"], ["a"]),
        (["ab", "cd", "ef"], ["cde"], ["ab"]),
        (["ab", "cd", "ef"], ["de"], ["ab", "c"]),
        (["ab", "cd", "ef"], ["x", "dx"], ["ab", "cd", "ef"]),
        (["a", "a", "a", "b"], ["aab"], ["a"]),
        (["", "a", "", "b", ""], ["b"], ["", "a", ""]),
        (["stop"], ["stop"], []),
        (["ab"], [], ["ab"]),
        (["x<", "e", "nd"], ["<end>"], ["x<", "e", "nd"]),
    ],
)
def test_stop_texts(texts, stops, expected):
    filtered = StopTexts(stops)
    given_out = [event for event in events_of(texts) for event in filtered.push(event)] + filtered.flush()
    assert [event.text for event in given_out] == expected


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(st.text("ab", max_size=3), max_size=12),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), max_size=2),
)
def test_stop_texts_cut_as_if_the_whole_text_were_known(texts, stops):
    filtered = StopTexts(stops)
    given_out = [event for event in events_of(texts) for event in filtered.push(event)] + filtered.flush()
    text = "".join(texts)
    # whichever stop text is complete first ends the answer; of those complete at once, the earliest begun
    cuts = []
    for end in range(len(text) + 1):
        cuts = [place for stop in stops if (place := text[:end].find(stop)) >= 0]
        if cuts:
            break
    joined = "".join(event.text for event in given_out)
    if cuts:
        assert joined == text[: len(joined)]
        assert not any(stop in joined for stop in stops)
        assert filtered.found
    else:
        assert joined == text
        assert len(given_out) == len(texts)


def test_an_empty_stop_text_is_refused():
    with pytest.raises(InputError, match="empty"):
        StopTexts([""])
