"""Every engine: cached equals uncached, batches equal their items, caches are values."""

import pytest
import torch

from speech_adapter.engine import RunOptions, TransformersEngine, middle_layer
from speech_core.errors import InputError

TOLERANCE = 2e-4  # float32, sums in another order


def ids_of(length, seed=0):
    return torch.randint(3, 259, (1, length), generator=torch.Generator().manual_seed(seed))


def all_logits(engine, ids):
    """Logits of every position, without any cache."""
    return engine.run(ids, options=RunOptions(num_logits=ids.shape[1])).logits


def close(one, other, tolerance=TOLERANCE):
    torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("layers", "middle"), [(32, 16), (30, 15), (80, 40), (2, 1), (1, 1)])
def test_middle_layer(layers, middle):
    assert middle_layer(layers) == middle


def test_ids_equal_their_embeddings(engine):
    ids = ids_of(9)
    close(all_logits(engine, ids), engine.run(engine.embed(ids), options=RunOptions(num_logits=9)).logits)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 1, 6], [2, 10]])
def test_cached_equals_uncached(engine, sizes):
    ids = ids_of(12)
    whole = engine.run(ids, options=RunOptions(num_logits=12, hidden=True))
    cache, logits, hidden = None, [], []
    for part in ids.split(sizes, dim=1):
        output = engine.run(part, cache=cache, options=RunOptions(num_logits=part.shape[1], hidden=True))
        cache = output.cache
        logits.append(output.logits)
        hidden.append(output.hidden)
    close(torch.cat(logits, 1), whole.logits)
    close(torch.cat(hidden, 1), whole.hidden)
    assert output.cache.lengths.tolist() == [12]


def test_padding_does_not_leak(engine):
    """A left-padded batch equals its items, in the prefill and in steps after it."""
    items = [ids_of(length, seed=length) for length in (1, 4, 9)]
    embeds = torch.zeros(3, 9, engine.d_model)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    for row, ids in enumerate(items):
        embeds[row, 9 - ids.shape[1] :] = engine.embed(ids)[0]
        mask[row, 9 - ids.shape[1] :] = True
    embeds[~mask] = 50.0  # whatever stands at padding
    step = torch.tensor([[5], [6], [7]])
    batch = engine.run(embeds, mask)
    after = engine.run(step, cache=batch.cache)
    for row, ids in enumerate(items):
        single = engine.run(ids)
        close(batch.logits[row], single.logits[0])
        close(after.logits[row], engine.run(step[row : row + 1], cache=single.cache).logits[0])


def test_padding_within_a_session_does_not_count(engine):
    """Sessions of different lengths go on with different numbers of tokens."""
    first, second = ids_of(6, seed=1), ids_of(3, seed=2)
    start = torch.cat([ids_of(4, seed=3), ids_of(4, seed=4)])
    cache = engine.run(start).cache
    more = torch.cat([first, torch.nn.functional.pad(second, (3, 0))])
    mask = torch.tensor([[True] * 6, [False] * 3 + [True] * 3])
    output = engine.run(more, mask, cache)
    close(output.logits[0], all_logits(engine, torch.cat([start[:1], first], 1))[0, -1:])
    close(output.logits[1], all_logits(engine, torch.cat([start[1:], second], 1))[0, -1:])
    assert output.cache.lengths.tolist() == [10, 7]


def test_state_can_be_forked(engine):
    base = engine.run(ids_of(5)).cache
    one, two = ids_of(3, seed=8), ids_of(2, seed=9)
    before = engine.run(one, cache=base)
    engine.run(two, cache=base)
    engine.run(ids_of(1), cache=before.cache)
    close(engine.run(one, cache=base).logits, before.logits, 1e-6)
    close(before.logits, all_logits(engine, torch.cat([ids_of(5), one], 1))[:, -1:])


def test_truncate_select_and_join_go_on_like_fresh_sessions(engine):
    ids = torch.cat([ids_of(8, seed=1), ids_of(8, seed=2), ids_of(8, seed=3)])
    cache = engine.truncate(engine.run(ids).cache, torch.tensor([3, 8, 5]))
    cache = engine.select(cache, [2, 0])
    cache = engine.join([engine.run(ids_of(4, seed=4)).cache, cache])
    step = torch.tensor([[10], [11], [12]])
    output = engine.run(step, cache=cache)
    expected = [
        torch.cat([ids_of(4, seed=4), step[:1]], 1),
        torch.cat([ids[2:3, :5], step[1:2]], 1),
        torch.cat([ids[:1, :3], step[2:]], 1),
    ]
    for row, whole in enumerate(expected):
        close(output.logits[row], all_logits(engine, whole)[0, -1:])


@pytest.mark.parametrize("behind", [0, 4])
def test_a_tree_is_its_branches_one_by_one(engine, behind):
    """Continuations that share beginnings, run at once, have the logits each has by itself."""
    prompt, tree = ids_of(behind, seed=3) if behind else None, ids_of(6, seed=4)
    parents = torch.tensor([[-1, 0, 1, 0, -1, 4]])
    cache = engine.run(prompt).cache if behind else None
    logits = engine.run(tree, cache=cache, options=RunOptions(num_logits=6), parents=parents).logits
    for branch in ([0, 1, 2], [0, 3], [4, 5]):
        ids = torch.cat([prompt, tree[:, branch]], 1) if behind else tree[:, branch]
        close(logits[0, branch], all_logits(engine, ids)[0, behind:])


def test_a_tree_may_be_padded(engine):
    cache = engine.run(torch.cat([ids_of(4), ids_of(4, seed=1)])).cache
    trees = torch.cat([ids_of(3, seed=2), ids_of(3, seed=3)])
    mask, parents = torch.tensor([[True] * 3, [False, True, True]]), torch.tensor([[-1, 0, 0], [-1, -1, -1]])
    options = RunOptions(num_logits=3)
    together = engine.run(trees, mask, cache, options, parents).logits
    first = engine.run(trees[:1], None, engine.select(cache, [0]), options, parents[:1]).logits
    alone = engine.select(cache, [1])
    second = engine.run(trees[1:, 1:], None, alone, RunOptions(num_logits=2), parents[1:, 1:]).logits
    close(together[:1], first)
    close(together[1:, 1:], second)


@pytest.mark.parametrize("parents", [[[0, 0]], [[-1, 2]], [[-2, 0]], [[-1]]])
def test_a_parent_is_an_earlier_position(engine, parents):
    with pytest.raises(InputError, match="parents"):
        engine.run(ids_of(2), parents=torch.tensor(parents))


def test_choices_are_the_best_of_the_logits(engine):
    ids = torch.cat([ids_of(7, seed=1), ids_of(7, seed=2)])
    logits = all_logits(engine, ids)[:, -3:]
    output = engine.run(ids, options=RunOptions(num_logits=3, choices=True))
    assert output.logits.shape == (2, 0, engine.vocab_size)
    assert torch.equal(output.choices.token_ids, logits.argmax(-1))
    close(output.choices.log_probs, logits.log_softmax(-1).amax(-1))


def test_no_logits_when_none_are_asked_for(engine):
    output = engine.run(ids_of(4), options=RunOptions(num_logits=0))
    assert output.logits.shape[1] == 0
    assert output.cache.lengths.tolist() == [4]


def test_hidden_is_the_output_of_the_middle_layer(engine, llama):
    ids = ids_of(6)
    states = llama.model(input_ids=ids, output_hidden_states=True).hidden_states
    assert len(states) == llama.num_layers + 1  # entry 0 is the embedding output
    close(engine.run(ids, options=RunOptions(hidden=True)).hidden, states[engine.middle_layer])


def test_logits_equal_those_of_the_model_itself(engine, llama):
    ids = ids_of(20)
    with torch.inference_mode():
        close(all_logits(engine, ids), llama.model(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("inputs", "mask"),
    [
        (torch.zeros(1, 0, dtype=torch.int64), None),
        (torch.zeros(1, 3, 31), None),
        (torch.zeros(3, dtype=torch.int64), None),
        (torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 3)),
        (torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool)),
    ],
)
def test_bad_inputs_are_refused(engine, inputs, mask):
    with pytest.raises(InputError):
        engine.run(inputs, mask)


def test_a_cache_of_another_batch_is_refused(engine):
    cache = engine.run(ids_of(3)).cache
    with pytest.raises(InputError, match="2 sessions do not fit a cache of 1"):
        engine.run(torch.zeros(2, 1, dtype=torch.int64), cache=cache)


def test_reference_of_every_kind_of_llama_is_transformers_itself(any_llama):
    from speech_adapter.llama import load_llama

    llama = load_llama(any_llama)
    ids = ids_of(40)
    with torch.inference_mode():
        close(all_logits(TransformersEngine(llama), ids), llama.model(input_ids=ids).logits, 1e-6)
