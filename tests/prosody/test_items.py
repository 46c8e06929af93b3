"""Sets of texts on disk: what is written comes back, and a shard that is there stays."""

from dataclasses import replace

import pytest
import torch

from prosody.items import ProsodyItem, ProsodySet, write_shard
from prosody.targets import Targets
from speech_core.errors import InputError
from tests.prosody.texts import make_groups, num_phones


def make_item(number: int, speaker: str = "default") -> ProsodyItem:
    torch.manual_seed(number)
    groups = tuple(make_groups(6 + number, seed=number))
    count = num_phones(list(groups))
    values = torch.randn(count, 3) * torch.tensor([0.4, 0.2, 2.0]) + torch.tensor([-2.6, 5.2, -7.0])
    return ProsodyItem(str(number), "text", speaker, groups, Targets(values, torch.rand(count) < 0.7))


def test_what_is_written_comes_back(tmp_path):
    items = [make_item(0), make_item(1), make_item(2)]
    assert write_shard(tmp_path, 0, items[:2]) == 2
    assert write_shard(tmp_path, 1, items[2:]) == 1
    found = ProsodySet([tmp_path])
    assert found.num_phones.tolist() == [len(item.phones) for item in items]
    assert found.speakers == ["default"] * 3
    for before, after in zip(items, found, strict=True):
        assert (after.id, after.phones) == (before.id, before.phones)
        torch.testing.assert_close(after.targets.values, before.targets.values, atol=1e-5, rtol=0)
        assert torch.equal(after.targets.voiced, before.targets.voiced)
        for old, new in zip(before.groups, after.groups, strict=True):
            assert new.token_ids == old.token_ids
            torch.testing.assert_close(new.embeddings, old.embeddings, atol=5e-3, rtol=1e-3)
    assert [item.id for item in found[1:]] == ["1", "2"]


def test_states_may_be_absent(tmp_path):
    item = make_item(1)
    item = replace(item, groups=tuple(replace(group, embeddings=None) for group in item.groups))
    write_shard(tmp_path, 0, [item])
    assert all(group.embeddings is None for group in ProsodySet([tmp_path])[0].groups)


def test_a_shard_that_is_there_stays(tmp_path):
    write_shard(tmp_path, 0, [make_item(0)])
    assert write_shard(tmp_path, 0, [make_item(1)]) == 0
    assert ProsodySet([tmp_path])[0].id == "0"


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="prepare_prosody"):
        ProsodySet([tmp_path])
