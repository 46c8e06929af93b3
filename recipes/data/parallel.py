"""Shards of a feature cache made by several processes or machines; those already complete are skipped."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from recipes.data.engines import Workers, map_tasks
from recipes.data.features_cache import CacheItem, FeatureCacheWriter

logger = logging.getLogger(__name__)


class ShardTask(Protocol):
    """One shard to make: where it goes, and how its items are made. It must pickle."""

    @property
    def out(self) -> Path:
        """The cache directory."""
        ...

    @property
    def index(self) -> int:
        """Number of the shard."""
        ...

    def items(self) -> Iterator[CacheItem]:
        """The items of the shard in order; called in a worker process."""
        ...


def _run_shard(task: ShardTask) -> tuple[int, int]:
    return task.index, FeatureCacheWriter(task.out).write_shard(task.index, task.items())


def run_shards(tasks: Sequence[ShardTask], jobs: int, engine: str = "processes") -> float:
    """Make the shards that are missing, in order; returns the hours written."""
    workers = Workers(jobs, engine)
    if not tasks:
        return 0.0
    writer = FeatureCacheWriter(tasks[0].out)
    missing = [task for task in tasks if not writer.is_complete(task.index)]
    logger.info("%d shards, %d of them already there", len(tasks), len(tasks) - len(missing))
    total_frames = 0
    started = time.monotonic()
    for count, (index, frames) in enumerate(map_tasks(_run_shard, missing, workers), start=1):
        total_frames += frames
        speed = total_frames / writer.config.frame_rate_hz / max(time.monotonic() - started, 1e-9)
        left_min = (time.monotonic() - started) / count * (len(missing) - count) / 60
        hours = total_frames / writer.config.frame_rate_hz / 3600
        logger.info(
            "shard %d done: %.2f h, %.0f times real time, %.0f min left", index, hours, speed, left_min
        )
    return total_frames / writer.config.frame_rate_hz / 3600
