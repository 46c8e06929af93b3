"""Texts joined without loss, embeddings disturbed as far as asked and no farther."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recipes.batches.text_as_speech import MIXED_SHARE, Disturbance, disturb, join_texts
from speech_core.errors import ConfigError


@given(st.lists(st.sampled_from(["a", "b c", "d"]), max_size=12), st.integers(1, 8), st.integers(0, 50))
def test_joined_texts_hold_every_word_in_groups_of_one_size(texts, most, seed):
    joined = join_texts(texts, most, torch.Generator().manual_seed(seed))
    assert sorted(" ".join(joined).split()) == sorted(" ".join(texts).split())
    if most == 1:
        assert sorted(joined) == sorted(texts)


def test_every_size_is_drawn():
    texts = [str(number) for number in range(24)]
    generator = torch.Generator().manual_seed(0)
    sizes = {len(join_texts(texts, 4, generator)[0].split()) for _ in range(200)}
    assert sizes == {1, 2, 3, 4}


def test_noise_has_at_most_the_deviation_asked_for():
    table = torch.randn(50, 64, generator=torch.Generator().manual_seed(0)) * 0.1
    embeds, generator = table[:30], torch.Generator().manual_seed(1)
    levels = [
        float((disturb(embeds, table, Disturbance(noise=0.5), generator) - embeds).std()) for _ in range(60)
    ]
    assert max(levels) <= 0.5 * 0.1 * 1.1
    assert max(levels) > 0.5 * 0.1 * 0.8
    assert min(levels) < 0.5 * 0.1 * 0.2


def test_a_share_of_the_tokens_goes_towards_others():
    table = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    embeds, generator = table[:1].expand(4000, 64), torch.Generator().manual_seed(1)
    changed = disturb(embeds, table, Disturbance(mix=0.4), generator) - embeds
    moved = changed.abs().sum(-1) > 0
    assert float(moved.float().mean()) == pytest.approx(MIXED_SHARE, abs=0.03)
    assert float(changed.norm(dim=-1).max()) <= 0.4 * float((table - table[0]).norm(dim=-1).max()) + 1e-5


def test_without_a_disturbance_nothing_changes():
    table = torch.randn(9, 4)
    assert torch.equal(disturb(table[:5], table, Disturbance(), torch.Generator()), table[:5])


def test_impossible_values_are_refused():
    for wrong in ({"join": 0}, {"noise": -1.0}, {"mix": 1.0}):
        with pytest.raises(ConfigError, match="join"):
            Disturbance(**wrong)
