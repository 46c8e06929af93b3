"""Shards are made once each, by one process or two, and only those that are missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from recipes.data.features_cache import CacheItem, FeatureCache
from recipes.data.manifests import Utterance
from recipes.data.parallel import run_shards
from speech_core.errors import InputError


@dataclass(frozen=True)
class CountingShard:
    """A shard of one item whose frames hold its number; notes each time it is made."""

    out: Path
    index: int

    def items(self) -> Iterator[CacheItem]:
        with (self.out / "made.txt").open("a", encoding="utf-8") as made:
            made.write(f"{self.index}\n")
        utterance = Utterance(f"u{self.index}", "", None, "en", "s", 0.1, "c", "CC0")
        yield CacheItem(utterance, np.full((100, 80), self.index, np.float16))


def tasks(out):
    return [CountingShard(out, index) for index in range(4)]


def test_missing_shards_are_made_once(tmp_path):
    hours = run_shards(tasks(tmp_path)[1:2], 1)
    assert hours == pytest.approx(1 / 3600)
    assert run_shards(tasks(tmp_path), 1) == pytest.approx(3 / 3600)
    assert run_shards(tasks(tmp_path), 1) == 0.0
    assert (tmp_path / "made.txt").read_text(encoding="utf-8").split() == ["1", "0", "2", "3"]
    assert [float(item.features[0, 0]) for item in FeatureCache([tmp_path])] == [0, 1, 2, 3]


def test_nothing_to_do_and_no_workers():
    assert run_shards([], 1) == 0.0
    with pytest.raises(InputError, match="0 jobs"):
        run_shards([], 0)
