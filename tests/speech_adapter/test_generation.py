"""Greedy decoding equals transformers' own, alone, in batches, and with any draft whatever."""

import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_adapter.engine import RunOptions, TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.generation import Drafting, decode
from speech_adapter.llama import load_llama
from speech_adapter.sequence import InputSequence
from speech_adapter.stopping import StopRules
from speech_core.errors import InputError
from tests.speech_adapter.conftest import KINDS

NO_LOOP = 10_000


def rules(max_tokens=24, end_ids=(2,), loop_tokens=NO_LOOP, loop_repeats=4):
    return StopRules(frozenset(end_ids), max_tokens, loop_repeats, loop_tokens)


def prompt_of(engine, length, seed):
    """A prompt of random embeddings, as speech is."""
    generator = torch.Generator().manual_seed(seed)
    embeds = engine.embed(torch.randint(3, 259, (length,), generator=generator))
    embeds = embeds + 0.3 * torch.randn(embeds.shape, generator=generator)
    return InputSequence(embeds, torch.zeros(length, dtype=torch.int64))


def theirs(llama, prompt, max_tokens, end_ids=(2,)):
    """The answer by transformers' own generation, without the end token."""
    ids = llama.model.generate(
        inputs_embeds=prompt.embeds[None],
        attention_mask=torch.ones(1, len(prompt.embeds), dtype=torch.int64),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=list(end_ids),
        pad_token_id=2,
    )[0].tolist()
    return [token for token in ids if token not in end_ids]


@pytest.fixture(scope="module")
def prompts(llama):
    engine = TransformersEngine(llama)
    return [prompt_of(engine, length, seed) for seed, length in enumerate((1, 7, 3, 12, 5))]


@pytest.fixture(scope="module")
def expected(llama, prompts):
    return [theirs(llama, prompt, 24) for prompt in prompts]


def test_greedy_equals_transformers(engine, prompts, expected):
    answers = [decode(engine, [prompt], [rules()])[0] for prompt in prompts]
    assert [answer.token_ids for answer in answers] == expected
    assert len({tuple(tokens) for tokens in expected}) == len(expected)  # the answers differ
    for answer in answers:
        assert answer.passes == len(answer.token_ids) + (answer.reason == "end")


def test_greedy_of_every_kind_of_llama(any_llama):
    llama = load_llama(any_llama)
    prompt = prompt_of(TransformersEngine(llama), 6, 1)
    for engine in (TransformersEngine(llama), FastEngine.from_folder(any_llama, "float32")):
        assert decode(engine, [prompt], [rules()])[0].token_ids == theirs(llama, prompt, 24)


def test_batch_equals_single(engine, prompts, expected):
    for order in ([0, 1, 2, 3, 4], [4, 2, 0], [3, 3]):
        answers = decode(engine, [prompts[row] for row in order], [rules()] * len(order))
        assert [answer.token_ids for answer in answers] == [expected[row] for row in order]


def test_log_probs_are_the_models_own(engine, llama, prompts):
    answer = decode(engine, [prompts[1]], [rules()])[0]
    said = engine.embed(torch.tensor(answer.token_ids))
    with torch.inference_mode():
        logits = llama.model(inputs_embeds=torch.cat([prompts[1].embeds, said])[None]).logits[0]
    places = logits[len(prompts[1].embeds) - 1 : -1].log_softmax(-1)
    own = places[torch.arange(len(said)), torch.tensor(answer.token_ids)]
    torch.testing.assert_close(torch.tensor(answer.log_probs), own, atol=1e-3, rtol=1e-3)


def spoiled(answer, seed):
    """The answer with mistakes: tokens changed, dropped, added; sometimes nothing of it is left."""
    chance = random.Random(seed)
    share, draft = chance.choice((0.0, 0.1, 0.4, 1.0)), []
    for token in answer:
        kind = chance.choice(["change", "drop", "add"]) if chance.random() < share else "keep"
        draft += {
            "keep": [token],
            "change": [chance.randrange(259)],
            "drop": [],
            "add": [chance.randrange(259), token],
        }[kind]
    return draft[: chance.choice((0, 5, 100))] if share < 1 else draft


@pytest.mark.parametrize("seed", range(12))
def test_any_draft_gives_the_same_answer(engine, prompts, expected, seed):
    drafts = [spoiled(answer, seed * 10 + row) for row, answer in enumerate(expected)]
    answers = decode(engine, prompts, [rules()] * 5, Drafting(drafts))
    assert [answer.token_ids for answer in answers] == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drafts=st.lists(st.lists(st.integers(0, 258), max_size=40), min_size=3, max_size=3),
    limits=st.lists(st.integers(0, 12), min_size=3, max_size=3),
    ends=st.sets(st.integers(0, 258), max_size=60),
)
def test_any_draft_limit_and_end_tokens(llama, prompts, drafts, limits, ends):
    engine = TransformersEngine(llama)
    chosen = [rules(limit, ends, loop_tokens=5) for limit in limits]
    plain = [decode(engine, [prompt], [rule])[0] for prompt, rule in zip(prompts, chosen, strict=False)]
    drafted = decode(engine, prompts[:3], chosen, Drafting(drafts))
    assert [(one.token_ids, one.reason) for one in drafted] == [(one.token_ids, one.reason) for one in plain]


def test_a_right_draft_takes_one_pass_and_a_mistake_few(engine, prompts, expected):
    drafts = [list(answer) for answer in expected]
    answers = decode(engine, prompts, [rules()] * 5, Drafting(drafts))
    assert [answer.passes for answer in answers] == [1] * 5
    longest = max(range(5), key=lambda row: len(expected[row]))
    draft = list(expected[longest])
    draft[4] = (draft[4] + 1) % 259
    answer = decode(engine, [prompts[longest]], [rules()], Drafting([draft]))[0]
    assert answer.token_ids == expected[longest]
    assert answer.passes <= 3


def test_a_shared_prefix_changes_nothing(engine, prompts):
    start = torch.tensor([[1, 40, 41, 42]])
    prefix = engine.run(start, options=RunOptions(num_logits=0)).cache
    whole = [
        InputSequence(
            torch.cat([engine.embed(start[0]), prompt.embeds]),
            torch.zeros(4 + len(prompt.embeds), dtype=torch.int64),
        )
        for prompt in prompts
    ]
    expected = decode(engine, whole, [rules()] * 5)
    drafts = [[5, 6], answer_ids(expected[1]), [], answer_ids(expected[3])[2:], [9] * 30]
    for drafting in (None, Drafting(drafts)):
        answers = decode(engine, prompts, [rules()] * 5, drafting, prefix)
        assert [answer.token_ids for answer in answers] == [answer.token_ids for answer in expected]
    assert prefix.lengths.tolist() == [4]


def answer_ids(answer):
    return answer.token_ids


def test_limits_hold(engine, prompts):
    for limit in (0, 1, 3):
        answers = decode(engine, prompts, [rules(limit, end_ids=())] * 5, Drafting([[7] * 50] * 5))
        assert [len(answer.token_ids) for answer in answers] == [limit] * 5
        assert {answer.reason for answer in answers} == {"length"}


def test_a_loop_is_cut_to_its_first_round(engine, prompts):
    """Rules so strict that any token said twice in a row is one: the random Llama soon does that."""
    whole = decode(engine, prompts, [rules(100, end_ids=())] * 5)
    cut = decode(engine, prompts, [rules(100, end_ids=(), loop_tokens=2, loop_repeats=2)] * 5)
    assert "loop" in {answer.reason for answer in cut}
    for answer, long in zip(cut, whole, strict=True):
        count = len(answer.token_ids)
        assert answer.token_ids == long.token_ids[:count]
        if answer.reason == "loop":
            period = answer.passes - count
            assert long.token_ids[count : count + period] == answer.token_ids[-period:]


def test_lists_of_different_lengths_are_refused(engine, prompts):
    with pytest.raises(InputError, match="5 prompts, 1 rules, 5 drafts"):
        decode(engine, prompts, [rules()])
    assert decode(engine, [], []) == []


def test_the_tiny_llama_is_fit_for_these_tests():
    """Its answers must not be one token for ever, or the tests above would show nothing."""
    llama = KINDS["gqa_tied"].build()
    ids = llama.generate(torch.tensor([[1, 50, 60]]), max_new_tokens=30, do_sample=False, eos_token_id=None)
    assert len(set(ids[0].tolist())) > 8


def test_an_answer_out_of_reach_is_given_up(engine, prompts, expected):
    """After the pass that shows it, and only that answer of a batch."""
    asked = []

    def short(token_ids):
        asked.append(len(token_ids))
        return len(token_ids) < 3

    given_up = StopRules(frozenset([2]), 24, within_reach=short)
    one, other = decode(engine, prompts[:2], [given_up, rules()])
    assert (one.reason, one.token_ids) == ("unlike", expected[0][:3])
    assert asked == [1, 2, 3]
    assert other.token_ids == expected[1]
