"""One measurement: its result has the fields the benchmark reads, and they agree with each other."""

import json

import pytest
import torch

from recipes import benchmark_worker
from recipes.benchmark_worker import TrainTask, TranscribeTask, peak_memory_mib, replace_codebooks, task_text
from speech_core.audio import write_wav
from speech_encoder.config import BEST_RQ_PRESETS


@pytest.fixture(autouse=True)
def keep_threads():
    """The worker sets the threads of its own process, which here is everybody's."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("task", ["ctc", "best-rq"])
def test_training(task, capsys):
    asked = TrainTask("llama-speech", task, "tiny", batch=2, frames=160, steps=2, threads=1)
    assert benchmark_worker.main([task_text(asked)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["steps_s"]) == len(result["steps_cpu_s"]) == 2
    assert len(result["losses"]) == 3
    assert result["losses"][0] > 0
    assert result["audio_s"] == pytest.approx(3.2)
    assert result["parameters"] > 10_000


def test_the_same_task_gives_the_same_losses(capsys):
    asked = TrainTask("llama-speech", "best-rq", "tiny", batch=2, frames=160, steps=1, threads=1)
    losses = []
    for _ in range(2):
        benchmark_worker.main([task_text(asked)])
        losses.append(json.loads(capsys.readouterr().out)["losses"])
    assert losses[0] == pytest.approx(losses[1])


def test_steps_in_16_bits_are_nearly_those_in_32(capsys):
    losses = []
    for precision in ("fp32", "bf16"):
        asked = TrainTask(
            "llama-speech", "ctc", "tiny", batch=2, frames=160, steps=1, threads=1, precision=precision
        )
        benchmark_worker.main([task_text(asked)])
        losses.append(json.loads(capsys.readouterr().out)["losses"])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


def test_transcription(tmp_path, capsys):
    import numpy as np

    write_wav(tmp_path / "a.wav", np.zeros(1600, dtype=np.float32), 16_000)
    asked = TranscribeTask("command:echo one two", str(tmp_path / "a.wav"), threads=1)
    assert benchmark_worker.main([task_text(asked)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["words"] == 3  # and the file
    assert 0 < result["wall_s"] < 60
    assert result["cpu_s"] > 0
    assert result["peak_memory_mib"] == pytest.approx(peak_memory_mib(), rel=0.5)
    assert result["signature"].startswith("command:echo one two")


def test_peak_memory_sees_a_large_array():
    before = peak_memory_mib()
    block = bytearray(b"x") * (int(before) + 200 << 20)
    assert peak_memory_mib() >= before + 150
    del block


def test_codebooks_per_step():
    assert replace_codebooks(BEST_RQ_PRESETS["small"], 4).codebooks_per_step == 4
