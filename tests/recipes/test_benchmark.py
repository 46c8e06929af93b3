"""The benchmark runs at a tiny size, and its last line has every field its readers use."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import benchmark
from recipes.benchmark import make_audio
from speech_core.audio import load_audio, write_wav
from speech_core.errors import InputError

TRANSCRIPTION_FIELDS = {
    "system", "minutes", "repeats", "real_time_factor_min", "real_time_factor_median", "cpu_factor_min",
    "cpu_factor_median", "load_s_median", "peak_memory_mib", "words", "signature",
}  # fmt: skip
TRAINING_FIELDS = {
    "task", "precision", "system", "repeats", "steps", "step_s_min", "step_s_median", "audio_s_per_s_max",
    "audio_s_per_s_median", "audio_s_per_cpu_s_median", "parameters", "peak_memory_mib", "library",
}  # fmt: skip


def run(capsys, *arguments):
    code = benchmark.main(["--repeats", "1", "--steps", "1", *arguments])
    lines = capsys.readouterr().out.splitlines()
    return code, json.loads(lines[-1]), lines[:-1]


@pytest.mark.slow
def test_training_at_a_tiny_size(capsys):
    arguments = "--parts train --preset tiny --batch 2 --frames 160 --encoders llama-speech --tasks best-rq"
    code, result, lines = run(capsys, *arguments.split())
    assert code == 0
    (row,) = result["training"]
    assert set(row) == TRAINING_FIELDS
    assert row["audio_s_per_s_median"] == pytest.approx(2 * 1.6 / row["step_s_median"])
    assert row["parameters"] > 10_000
    assert row["peak_memory_mib"] > 50
    assert {"processor", "cores", "torch", "python"} <= set(result["machine"])
    assert result["options"]["threads"] == 1
    assert len(lines) == 1


def test_transcription_by_a_program(capsys):
    code, result, _ = run(
        capsys, "--parts", "transcribe", "--minutes", "0.05", "--systems", "command:echo hi"
    )
    assert code == 0
    (row,) = result["transcription"]
    assert set(row) == TRANSCRIPTION_FIELDS
    assert row["words"] == 2  # "hi" and the file
    assert row["real_time_factor_median"] == row["real_time_factor_min"] > 0


def test_failures_are_stated_and_set_the_exit_code(capsys):
    code, result, lines = run(
        capsys, "--parts", "transcribe", "--minutes", "0.01", "--systems", "command:no-such-program-here"
    )
    assert code == 1
    assert "no-such-program-here" in result["transcription"][0]["error"]
    assert "failed" in lines[0]


@pytest.mark.slow
def test_every_encoder_trains_at_the_same_size(capsys):
    pytest.importorskip("conformer")
    arguments = "--parts train --preset tiny --batch 2 --frames 160 --tasks ctc"
    code, result, _ = run(capsys, *arguments.split())
    assert code == 0
    parameters = {row["system"]: row["parameters"] for row in result["training"]}
    assert set(parameters) == {"llama-speech", "conformer", "transformers"}


def test_audio_is_looped_to_the_length(tmp_path):
    write_wav(tmp_path / "a.wav", np.full(16_000, 0.5, dtype=np.float32), 16_000)
    make_audio(tmp_path, 0.1, tmp_path / "long.wav")
    audio = load_audio(tmp_path / "long.wav", 16_000)
    assert len(audio) == 96_000
    assert audio[[0, 15_999, 24_000, 39_999]] == pytest.approx([0.5] * 4, abs=1e-3)
    assert not audio[16_000:24_000].any()  # the pause
    with pytest.raises(InputError, match="holds no audio"):
        make_audio(tmp_path / "none", 1.0, tmp_path / "x.wav")


def test_wrong_options_are_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        benchmark.main(["--steps", "0"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("steps, threads and repeats must be at least 1\n")


def test_samples_are_the_default_audio():
    assert any(Path(benchmark.SAMPLES).glob("*.flac"))


def test_voices_are_measured_by_the_part(capsys):
    code, result, lines = run(
        capsys, "--parts", "speak", "read", "--speakers", "no-such-voice", "--readers", "no-such-voice"
    )
    assert code == 1
    assert result["transcription"] == result["training"] == []
    for row in (result["speaking"][0], result["reading"][0]):
        assert "no-such-voice" in row["error"]
    assert [line.split()[0] for line in lines] == ["speak", "read"]
