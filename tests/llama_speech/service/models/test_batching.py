from typing import Any

import pytest
import torch

from llama_speech.service.models.batching import ContinuousBatch, PrefixCache, ReplyJob
from speech_adapter.answer_stream import AnswerStream, StreamOptions
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules

TEXTS = ["hello", "a much longer question about the weather", "x", "tell me more"]


@pytest.fixture(scope="module")
def parts(tiny_model):
    return tiny_model.parts.loaded.engine, tiny_model.parts.loaded.tokenizer


class Said:
    """A job that remembers what it was told."""

    def __init__(self, tokenizer, text, max_tokens=12, **options):
        self.events: list[Any] = []
        self.reason: Any = None
        self.job = ReplyJob(
            options.pop("conversation", text),
            tokenizer.encode(text),
            max_tokens,
            self.events.append,
            self.end,
            **options,
        )

    def end(self, reason):
        assert self.reason is None
        self.reason = reason

    @property
    def ids(self):
        return [event.token_id for event in self.events]


def alone(parts, text, max_tokens=12, embeddings=False):
    """The reference: one answer by itself."""
    engine, tokenizer = parts
    prompt = build_sequence([tokenizer.encode(text)], engine.embed, torch.zeros(2, engine.d_model))
    options = StreamOptions(embeddings=embeddings)
    return list(AnswerStream(engine, tokenizer, prompt, StopRules(tokenizer.end_ids, max_tokens), options))


@pytest.mark.parametrize("embeddings", [False, True])
@pytest.mark.parametrize("joins", [(0, 0, 0, 0), (0, 1, 2, 3), (0, 5, 5, 11)])
def test_batch_equals_single(parts, joins, embeddings):
    engine, tokenizer = parts
    batch, said = (
        ContinuousBatch(engine, tokenizer),
        [Said(tokenizer, text, embeddings=embeddings) for text in TEXTS],
    )
    for step in range(40):
        for join, one in zip(joins, said, strict=True):
            if join == step:
                batch.add(one.job)
        batch.step()
    assert batch.size == 0
    for text, one in zip(TEXTS, said, strict=True):
        reference = alone(parts, text, embeddings=embeddings)
        assert one.ids == [event.token_id for event in reference]
        assert "".join(event.text for event in one.events) == "".join(event.text for event in reference)
        assert one.reason in ("end", "loop", "length")
        for mine, theirs in zip(one.events, reference, strict=True):
            if embeddings:
                assert torch.allclose(mine.embedding, theirs.embedding, atol=1e-4)


def test_one_that_is_stopped_leaves_the_others_alone(parts):
    engine, tokenizer = parts
    batch, said = ContinuousBatch(engine, tokenizer), [Said(tokenizer, text) for text in TEXTS]
    for one in said:
        batch.add(one.job)
    batch.step()
    told = len(said[1].events)
    batch.remove(said[1].job)
    batch.remove(said[1].job)
    for _ in range(20):
        batch.step()
    assert (len(said[1].events), said[1].reason) == (told, None)
    for place in (0, 2, 3):
        assert said[place].ids == [event.token_id for event in alone(parts, TEXTS[place])]


def test_a_conversation_goes_on_from_its_cache(parts, monkeypatch):
    engine, tokenizer = parts
    batch: Any = ContinuousBatch(engine, tokenizer)
    first = Said(tokenizer, "hello there", conversation="c")
    batch.add(first.job)
    while batch.size:
        batch.step()
    longer = "hello there" + tokenizer.decode(first.ids[:3]) + " and then?"
    ran, run = list[int](), type(engine).run

    def counted(self, inputs, **more):
        ran.append(inputs.shape[1])
        return run(self, inputs, **more)

    monkeypatch.setattr(type(engine), "run", counted)
    second = Said(tokenizer, longer, conversation="c")
    batch.add(second.job)
    assert ran[0] < len(tokenizer.encode(longer)) - 8
    while batch.size:
        batch.step()
    monkeypatch.undo()
    assert second.ids == [event.token_id for event in alone(parts, longer)]


def test_kept_caches_are_bounded_and_dropped(parts):
    engine, tokenizer = parts
    batch = ContinuousBatch(engine, tokenizer, cached_positions=40)
    for text in TEXTS:
        batch.add(Said(tokenizer, text, max_tokens=2).job)
        while batch.size:
            batch.step()
        assert batch.prefixes.positions <= 40
    batch.prefixes.drop(TEXTS[-1])
    assert batch.prefixes.take(TEXTS[-1], tokenizer.encode(TEXTS[-1])) == (0, None)


def test_another_beginning_reuses_nothing(parts):
    engine, _ = parts
    cache = PrefixCache(engine, 100)
    output = engine.run(torch.tensor([[5, 6, 7]]))
    cache.put("c", [5, 6, 7], output.cache)
    assert cache.take("c", [9, 6, 7, 8]) == (0, None)
    cache.put("c", [5, 6, 7], output.cache)
    known, kept = cache.take("c", [5, 6, 9])
    assert known == 2
    assert kept is not None
    assert kept.lengths.tolist() == [2]


def test_an_answer_begins_as_it_must(parts):
    engine, tokenizer = parts
    batch: Any = ContinuousBatch(engine, tokenizer)
    one = Said(tokenizer, "hello", opening_ids=tokenizer.encode('{"name": "'))
    batch.add(one.job)
    while batch.size:
        batch.step()
    assert tokenizer.decode(one.ids).startswith('{"name": "')


def test_an_empty_prompt_is_refused(parts):
    engine, tokenizer = parts
    with pytest.raises(ValueError, match="at least one token"):
        ContinuousBatch(engine, tokenizer).add(Said(tokenizer, "").job)
