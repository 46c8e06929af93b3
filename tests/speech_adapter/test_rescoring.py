"""The Llama's probability of texts as answers: that of the whole conversation, in any batch."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from speech_adapter.engine_fast import FastEngine
from speech_adapter.rescoring import LlamaReader
from speech_adapter.tokenizer import ChatTokenizer, SpecialTokens

PROMPT = [1, 30, 17, 44]
TEXTS = ["hello there", "hello", "a rather longer text of many tokens", "", "hello there."]


@pytest.fixture
def reader(engine, tokenizer):
    return LlamaReader(engine, tokenizer, engine.run(torch.tensor([PROMPT])))


def expected(llama, tokenizer, text):
    ids = tokenizer.encode(text)
    with torch.inference_mode():
        chances = (
            llama.model(torch.tensor([PROMPT + ids])).logits[0].float().log_softmax(-1)[len(PROMPT) - 1 :]
        )
    said = sum(float(chances[place, token]) for place, token in enumerate(ids))
    return said + float(chances[len(ids), sorted(tokenizer.end_ids)].logsumexp(0))


def test_it_is_that_of_the_whole_conversation(reader, llama, tokenizer):
    scores = reader([tokenizer.encode(text) for text in TEXTS])
    assert scores == pytest.approx([expected(llama, tokenizer, text) for text in TEXTS], abs=2e-3)
    assert len({round(score, 3) for score in scores}) == len(TEXTS)


def test_a_batch_equals_its_items(reader, tokenizer):
    texts = [tokenizer.encode(text) for text in TEXTS]
    together = reader(texts)
    assert reader(texts, most_positions=5) == pytest.approx(together, abs=2e-3)
    assert [reader([text])[0] for text in texts] == pytest.approx(together, abs=2e-3)


def test_what_texts_share_is_run_once(llama_folder, tokenizer):
    runs = []

    class Watched(FastEngine):
        def run(self, inputs, *args, **options):
            runs.append(inputs.shape[1])
            return super().run(inputs, *args, **options)

    engine = Watched.from_folder(llama_folder, "float32")
    reader = LlamaReader(engine, tokenizer, engine.run(torch.tensor([PROMPT])))
    reader([tokenizer.encode(text) for text in ("hello there", "hello, you", "hello", "hello there")])
    assert runs == [len(PROMPT), len("hello" + " there" + ", you")]
    reader([tokenizer.encode(text) for text in ("hello there", "hello, you")], most_positions=12)
    assert sorted(runs[2:]) == sorted([len("hello there"), len("hello, you")])


def test_parts_of_words_are_read_as_the_llama_would_write_them(engine):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {piece: number for number, piece in enumerate([*letters, "th"])}
    backend = Tokenizer(models.BPE(numbers, [("t", "h")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = ChatTokenizer(backend, "", SpecialTokens(frozenset([2]), 0))
    reader = LlamaReader(engine, tokenizer, engine.run(torch.tensor([PROMPT])))
    parts, whole = ([numbers[piece] for piece in pieces] for pieces in (["t", "h", "e"], ["th", "e"]))
    assert reader([parts]) == reader([whole])


def test_nothing_to_read_gives_nothing(reader):
    assert reader([]) == []
