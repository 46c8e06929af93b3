"""The loop on a toy task: it learns, stops and goes on to the bit, averages, and records what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from recipes.training_loop import TrainingLoop, plain_groups, run
from speech_core.checkpoint import load_weights, read_json
from speech_core.errors import ConfigError
from tests.toy_task import Line, Numbers, Toy, loop_config

pytestmark = pytest.mark.usefixtures("fresh_accelerator")

ROOT = Path(__file__).resolve().parents[2]


def lines(folder: Path, kind: str = "train") -> list[dict[str, Any]]:
    """Lines of metrics.jsonl, read as strictly as JSON is defined."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    return [line for line in found if line["kind"] == kind]


def weights(task: Toy) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in task.model.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


# Learning and its record


def test_the_loss_falls_and_every_line_is_json(tmp_path):
    task = Toy()
    metrics = run(task, loop_config(tmp_path, max_steps=40, decay_steps=10))
    train = lines(tmp_path)
    assert [line["step"] for line in train] == list(range(1, 41))
    assert sum(line["loss"] for line in train[-5:]) < 0.3 * sum(line["loss"] for line in train[:5])
    assert {"loss", "error", "gradient_norm", "learning_rate", "audio_hours", "train_s"} <= set(train[0])
    assert "none" not in train[0]
    assert train[-1]["audio_hours"] == pytest.approx(40 * 16 / 3600)
    evaluated = lines(tmp_path, "evaluation")
    assert [line["step"] for line in evaluated] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert metrics["held_out_loss"] == evaluated[-1]["held_out_loss"] < evaluated[0]["held_out_loss"]
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_the_export_is_what_was_evaluated_and_says_where_it_comes_from(tmp_path):
    task = Toy()
    metrics = run(task, loop_config(tmp_path))
    assert task.exported == [5, 10, 12]
    exported = Line()
    load_weights(tmp_path / "export", exported)
    assert task.evaluate(exported.eval())["held_out_loss"] == pytest.approx(metrics["held_out_loss"])
    assert not same(weights(task), exported.state_dict())  # averaged weights, not the last ones
    record = read_json(tmp_path / "export" / "training.json")
    assert record["step"] == 12
    assert record["precision"] == "fp32"
    assert record["metrics"] == {"held_out_loss": metrics["held_out_loss"]}


def test_without_averaging_the_last_weights_are_exported(tmp_path):
    task = Toy()
    run(task, loop_config(tmp_path, average_decay=0.0))
    exported = Line()
    load_weights(tmp_path / "export", exported)
    assert same(weights(task), exported.state_dict())


def test_two_runs_of_one_seed_are_equal_and_seeds_differ(tmp_path):
    results = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        task = Toy()
        run(task, loop_config(tmp_path / name, seed=seed))
        results.append(weights(task))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


# Stopping and going on


def uninterrupted(folder: Path, **changes: Any) -> tuple[Toy, dict[str, float]]:
    task = Toy()
    return task, run(task, loop_config(folder, **changes))


@pytest.mark.parametrize("stop_at", [0, 1, 5, 11])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path, stop_at):
    expected, metrics = uninterrupted(tmp_path / "whole", accumulate=2)
    folder = tmp_path / "parts"
    task = Toy(batches=Numbers(interrupt_at=2 * stop_at))
    assert run(task, loop_config(folder, accumulate=2)) == {}
    assert read_json(folder / "checkpoint" / "loop.json")["step"] == stop_at + 1  # the step begun is finished
    resumed = Toy(model=Line())
    resumed.model.linear.weight.data.zero_()  # all must come from the checkpoint
    torch.randn(7)
    assert run(resumed, loop_config(folder, accumulate=2)) == metrics
    assert same(weights(resumed), weights(expected))
    for whole, parts in zip(lines(tmp_path / "whole"), lines(folder), strict=True):
        timeless = {"train_s", "times_real_time"}
        assert {k: v for k, v in parts.items() if k not in timeless} == {
            k: v for k, v in whole.items() if k not in timeless
        }


@pytest.mark.slow
def test_a_terminated_process_goes_on_as_if_nothing_had_been(tmp_path):
    expected, metrics = uninterrupted(tmp_path / "whole")
    folder = tmp_path / "parts"
    command = [sys.executable, "-m", "tests.toy_task", str(folder), "0.5", "0.2"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (folder / "metrics.jsonl").exists() or len(lines(folder)) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=60) == 0  # not killed by the signal
    assert 3 <= read_json(folder / "checkpoint" / "loop.json")["step"] < 12
    resumed = Toy()
    assert run(resumed, loop_config(folder)) == metrics
    assert same(weights(resumed), weights(expected))


def run_two_processes(*arguments: str) -> None:
    """`tests.toy_task` in two processes on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [*launcher, "-m", "tests.toy_task", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=240)


@pytest.mark.slow
@pytest.mark.parametrize("weights_of_a_process", ["all", "a part"])
def test_two_processes_train_as_one_with_twice_the_batches(tmp_path, weights_of_a_process):
    """With all weights in each (DDP) and with a part of them (FSDP), also when interrupted half-way."""
    how = ["--shard"] if weights_of_a_process == "a part" else []
    if how:
        run_two_processes(str(tmp_path / "two"), "0", "0.0", *how, "--stop-at", "7")
        assert read_json(tmp_path / "two" / "checkpoint" / "loop.json")["step"] == 7
    run_two_processes(str(tmp_path / "two"), "0.02", "0.0", *how)
    run(Toy(Line(dropout=0.0)), loop_config(tmp_path / "one", accumulate=2))
    one, two = Line(), Line()
    load_weights(tmp_path / "one" / "export", one)
    load_weights(tmp_path / "two" / "export", two)
    torch.testing.assert_close(two.state_dict(), one.state_dict(), atol=1e-6, rtol=1e-5)
    assert [line["step"] for line in lines(tmp_path / "two")] == list(range(1, 13))
    assert len(list((tmp_path / "two").glob("events.out.tfevents.*"))) == (
        2 if how else 1
    )  # of the first process


def test_a_signal_is_only_caught_while_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run(Toy(), loop_config(tmp_path, max_steps=4))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_an_error_in_a_batch_leaves_the_last_checkpoint(tmp_path):
    class Broken(Numbers):
        def batch(self, number: int) -> tuple[Tensor, Tensor]:
            if number == 7:
                raise OSError("disk is gone")
            return super().batch(number)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError, match="disk is gone"):
        run(Toy(batches=Broken()), loop_config(tmp_path / "a", checkpoint_every_s=0.0))
    assert signal.getsignal(signal.SIGTERM) == before
    assert read_json(tmp_path / "a" / "checkpoint" / "loop.json")["step"] == 7
    resumed = Toy()
    run(resumed, loop_config(tmp_path / "a"))
    expected, _ = uninterrupted(tmp_path / "b")
    assert same(weights(resumed), weights(expected))


def test_a_run_that_ended_between_two_renames_goes_on(tmp_path):
    expected, _ = uninterrupted(tmp_path / "whole")
    run(Toy(batches=Numbers(interrupt_at=5)), loop_config(tmp_path / "a"))
    (tmp_path / "a" / "checkpoint").rename(tmp_path / "a" / "checkpoint.old")
    (tmp_path / "a" / "checkpoint.partial").mkdir()
    (tmp_path / "a" / "checkpoint.partial" / "loop.json").write_text("{")
    resumed = Toy()
    run(resumed, loop_config(tmp_path / "a"))
    assert same(weights(resumed), weights(expected))
    assert (tmp_path / "a" / "checkpoint").is_dir()
    assert not (tmp_path / "a" / "checkpoint.old").exists()


def test_lines_of_steps_that_were_lost_are_forgotten(tmp_path):
    run(Toy(batches=Numbers(interrupt_at=5)), loop_config(tmp_path))
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as out:
        out.write('{"kind": "train", "step": 7, "loss": 1.0}\n{"kind": "train", "st')
    run(Toy(), loop_config(tmp_path))
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 13))


def test_a_time_limit_stops_resumably(tmp_path):
    assert run(Toy(), loop_config(tmp_path, max_steps=100_000, stop_after_s=0.2)) == {}
    stopped_at = read_json(tmp_path / "checkpoint" / "loop.json")["step"]
    assert 0 < stopped_at < 100_000
    task = Toy()
    run(task, loop_config(tmp_path, max_steps=stopped_at + 2))
    assert task.batches.position == stopped_at + 2


def test_a_finished_run_is_evaluated_again_and_not_trained(tmp_path):
    task, metrics = uninterrupted(tmp_path)
    again = Toy()
    assert run(again, loop_config(tmp_path)) == metrics
    assert same(weights(again), weights(task))
    assert len(lines(tmp_path)) == 12


# Steps


def test_accumulated_batches_count_as_one(tmp_path):
    class Halves(Numbers):
        def batch(self, number: int) -> tuple[Tensor, Tensor]:
            x, y = super().batch(number // 2)
            part = slice(4 * (number % 2), 4 * (number % 2) + 4)
            return x[part], y[part]

    whole, parts = Toy(model=Line(dropout=0.0)), Toy(model=Line(dropout=0.0), batches=Halves())
    run(whole, loop_config(tmp_path / "whole"))
    run(parts, loop_config(tmp_path / "parts", accumulate=2))
    torch.testing.assert_close(weights(parts), weights(whole), atol=1e-6, rtol=1e-5)
    assert lines(tmp_path / "parts")[3]["loss"] == pytest.approx(lines(tmp_path / "whole")[3]["loss"])


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path, caplog):
    task = Toy(model=Line(dropout=0.0), batches=Numbers(poison_at=3))
    loop = TrainingLoop(task, loop_config(tmp_path))
    source, seen = iter(task.batches), []
    for _ in range(5):
        figures = loop._update(source)
        loop.step += 1
        loop._log([figures])
        seen.append(weights(task))
    assert same(seen[2], seen[3])
    assert not same(seen[3], seen[4])
    assert all(bool(torch.isfinite(value).all()) for value in seen[4].values())
    assert "not finite" in caplog.text
    assert "loss" not in next(line for line in lines(tmp_path) if line["step"] == 4)
    loop.accelerator.end_training()


def test_gradients_are_clipped_and_their_norm_before_is_logged(tmp_path):
    task = Toy()
    loop = TrainingLoop(task, loop_config(tmp_path, clip_norm=0.01))
    norms = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.cat([grad.flatten() for grad in grads]).norm()))

    loop.optimizer.optimizer.register_step_pre_hook(note)
    figures = loop._update(iter(task.batches))
    assert norms[0] == pytest.approx(0.01, rel=1e-3)
    assert figures["gradient_norm"] > 0.1
    loop.accelerator.end_training()


def test_the_scale_of_a_group_multiplies_the_rate(tmp_path):
    task = Toy(scale=0.0)
    before = weights(task)
    run(task, loop_config(tmp_path))
    assert same(weights(task), before)
    assert lines(tmp_path)[5]["learning_rate"] == pytest.approx(0.3)


def test_groups_decay_matrices_only_and_leave_out_what_is_frozen():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2).requires_grad_(False))
    decayed, others = plain_groups(model, 0.3)
    assert [p.shape for p in decayed["params"]] == [(2, 3)]
    assert [tuple(p.shape) for p in others["params"]] == [(2,), (2,), (2,)]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)


# Options


def test_the_rate_warms_up_stays_and_falls(tmp_path):
    config = loop_config(tmp_path, max_steps=100, warmup_steps=10, decay_steps=20, learning_rate=2.0)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9:80] == pytest.approx([2.0] * 71)
    assert rates[90] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(0.1)
    assert replace(config, decay_steps=0).rate(99) == replace(config, warmup_steps=0).rate(0) == 2.0
    curved = replace(config, max_steps=100, decay_steps=50, cosine=True)
    assert curved.rate(50) == pytest.approx(2.0)
    assert curved.rate(75) == pytest.approx(1.0)
    assert curved.rate(99) < 0.01


@pytest.mark.parametrize(
    "wrong",
    [
        {"precision": "fp16"}, {"max_steps": 0}, {"accumulate": 0}, {"decay_steps": 13}, {"decay_steps": -1},
        {"log_every_steps": 0}, {"evaluate_every_steps": 0}, {"learning_rate": 0.0}, {"average_decay": 1.0},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError):
        loop_config(tmp_path, **wrong)


def test_bfloat16_trains_too(tmp_path):
    task = Toy()
    run(task, loop_config(tmp_path, max_steps=40, decay_steps=10, precision="bf16"))
    train = lines(tmp_path)
    assert sum(line["loss"] for line in train[-5:]) < 0.3 * sum(line["loss"] for line in train[:5])
    assert task.model.linear.weight.dtype == torch.float32
    assert read_json(tmp_path / "export" / "training.json")["precision"] == "bf16"


def test_a_run_goes_on_in_the_precision_it_began_with(tmp_path, monkeypatch):
    run(Toy(batches=Numbers(interrupt_at=3)), loop_config(tmp_path, precision="bf16"))
    AcceleratorState._reset_state(reset_partial_state=True)
    loop = TrainingLoop(Toy(), loop_config(tmp_path, precision="auto"))
    assert loop.precision == "bf16"
    loop.accelerator.end_training()
