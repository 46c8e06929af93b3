import torch

from llama_speech.service.models.turn_end import TurnEndJudge


def test_the_judgement_is_a_probability_and_ignores_punctuation(tiny_model):
    loaded = tiny_model.parts.loaded
    judge = TurnEndJudge(loaded.engine, loaded.tokenizer)
    plain = judge("what time is it")
    assert 0 <= plain <= 1
    assert judge("what time is it?") == judge(" what time is it. ") == plain
    assert judge("...") == judge("") == 0.0


def test_it_is_the_share_of_endings_in_what_the_llama_expects(tiny_model):
    loaded = tiny_model.parts.loaded
    tokenizer, ids = loaded.tokenizer, loaded.tokenizer.encode("<|im_start|>user\nhello")
    head = tokenizer.render([{"role": "user", "content": "hello"}], add_generation_prompt=False)
    ids = tokenizer.encode(head[: head.index("hello") + 5])
    shares = loaded.engine.run(torch.tensor([ids])).logits[0, -1].softmax(-1)
    ends = {*tokenizer.end_ids, *(tokenizer.encode(mark)[0] for mark in ".?!")}
    assert (
        abs(TurnEndJudge(loaded.engine, tokenizer)("hello") - sum(float(shares[end]) for end in ends)) < 1e-5
    )


def test_long_turns_are_judged_by_their_end(tiny_model):
    loaded = tiny_model.parts.loaded
    judge = TurnEndJudge(loaded.engine, loaded.tokenizer)
    assert judge("a" * 1_000 + "b" * 400) == judge("b" * 400)
