"""Two processes train together: they share the batches and end with the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recipes.batches.speech_batches import SpeechBatches
from recipes.data.features_cache import CacheItem, FeatureCache, FeatureCacheWriter
from recipes.data.manifests import Utterance
from speech_core.checkpoint import read_json


def write_cache(folder: Path, items: int) -> Path:
    """A cache of noise, half a second to two seconds each."""
    random = np.random.default_rng(0)
    records = []
    for number in range(items):
        frames = int(random.integers(50, 200))
        utterance = Utterance(f"{number}", "", None, "en", "none", frames / 100, "noise", "CC0")
        records.append(CacheItem(utterance, random.normal(size=(frames, 80)).astype(np.float16)))
    FeatureCacheWriter(folder).write_shard(0, records)
    return folder


def test_processes_get_different_batches_of_one_epoch(tmp_path: Path) -> None:
    cache = FeatureCache([write_cache(tmp_path / "cache", 60)])
    seen: list[set[int]] = []
    for rank in range(2):
        batches = SpeechBatches(cache, 600, seed=3, share=(rank, 2))
        count = len(batches.sampler.epoch_batches(0))
        stream = iter(batches)
        seen.append({item for _ in range(count) for item in next(stream).items})
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) > 50


@pytest.mark.slow
def test_pretraining_runs_on_two_processes(tmp_path: Path) -> None:
    cache, run_dir = write_cache(tmp_path / "cache", 60), tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    recipe = [
        "recipes.pretrain_encoder",
        "--preset",
        "tiny",
        "--caches",
        str(cache),
        "--run-dir",
        str(run_dir),
    ]
    recipe += ["--max-steps", "4", "--learning-rate", "1e-3", "--batch-frames", "600", "--precision", "fp32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment["ACCELERATE_USE_CPU"] = "true"  # `accelerate launch --cpu` starts one process without MPI
    subprocess.run([*launch, *recipe], check=True, env=environment, timeout=240, cwd=tmp_path)
    assert read_json(run_dir / "checkpoint" / "loop.json")["step"] == 4
    assert (run_dir / "checkpoint" / "random_states_1.pkl").is_file()  # there were two
    assert (run_dir / "export" / "speech_encoder" / "model.safetensors").is_file()
