"""Speed and memory beside peers: transcription of short and long audio, training steps of encoder and
BEST-RQ, speaking from the first token to the first sound, and reading of long text.

    python -m recipes.benchmark                          # all; half an hour or more on a laptop
    python -m recipes.benchmark --minutes 1 --repeats 1 --steps 2 --read-minutes 1       # some minutes
    python -m recipes.benchmark --audio DIR              # real clips in place of samples/
    python -m recipes.benchmark --parts speak read --read-minutes 2 5 10 60              # the voice, an hour

Each measurement runs in a process of its own, systems in turn, so that a busy moment does not fall on one
system. Times leave loading out (it is reported beside); memory is the peak of the whole process. Progress
goes to standard error; the last line is one JSON object.
"""

import itertools
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from recipes.benchmark_encoders import ENCODERS, OURS, TASKS
from recipes.benchmark_scoring import scoring_lines, scoring_rows
from recipes.benchmark_voice import (
    READERS,
    SYSTEMS,
    ReadTask,
    SpeakTask,
    reading_row,
    speaking_row,
    voice_lines,
)
from recipes.benchmark_worker import TrainTask, TranscribeTask, task_text
from recipes.loop import options
from recipes.loop.options import option
from speech_core.audio import AUDIO_SUFFIXES, load_audio, write_wav
from speech_core.errors import ConfigError, InputError, SpeechError

Task = TypeVar("Task", TranscribeTask, TrainTask, SpeakTask, ReadTask)

logger = logging.getLogger("recipes.benchmark")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
SAMPLE_RATE_HZ = 16000
PAUSE_S = 0.5  # between two clips
PARTS = ("transcribe", "train", "speak", "read", "score")
LONG_MIN = 30.0  # audio this long is measured once, whatever --repeats says


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    parts: tuple[str, ...] = option(PARTS, "what to measure")
    minutes: tuple[float, ...] = option((1.0, 10.0, 60.0), "lengths of audio to transcribe")
    audio: str = option("", "folder of clips, joined again and again; samples/ when absent")
    systems: tuple[str, ...] = option(
        (OURS, "faster-whisper:tiny.en"), "llama-speech, llama-speech:ctc, peers"
    )
    model: str | None = option(None, "bundle of our model; the shipped one when absent")
    llama: str | None = option(None, "folder or hub id of the Llama; the bundle's when absent")
    batch_size: int = option(8, "pieces our model transcribes at once")
    encoders: tuple[str, ...] = option(ENCODERS, "encoders to train")
    tasks: tuple[str, ...] = option(TASKS, "training steps to measure")
    preset: str = option("small", "size of the encoders")
    precisions: tuple[str, ...] = option(
        ("fp32",), "of the training steps: fp32, bf16 (faster where the processor has it)"
    )
    batch: int = option(8, "utterances of a training batch")
    frames: int = option(1200, "frames of each utterance (100 a second)")
    steps: int = option(5, "timed steps of each training measurement")
    codebooks_per_step: int = option(
        4, "codebooks whose loss a BEST-RQ step computes, as in training; 0 = all"
    )
    pairs: int = option(100_000, "utterance pairs to score")
    speakers: tuple[str, ...] = option(SYSTEMS, "who speaks sentences: llama-speech, peers")
    token_ms: float = option(40.0, "milliseconds from one token of the Llama to the next, while it speaks")
    readers: tuple[str, ...] = option(READERS, "who reads a long text; also llama-speech:no-llama")
    read_minutes: tuple[float, ...] = option((2.0, 5.0, 10.0), "minutes of sound at which memory is noted")
    threads: int = option(1, "CPU threads of every system")
    repeats: int = option(3, f"measurements of each kind; audio of {LONG_MIN:g} minutes and more once")

    def __post_init__(self) -> None:
        """Reject values that measure nothing."""
        if min(self.batch, self.frames, self.steps, self.threads, self.repeats) < 1:
            raise ConfigError("batch, frames, steps, threads and repeats must be at least 1")
        lengths = (*self.minutes, *self.read_minutes, self.token_ms)
        if set(self.precisions) - {"fp32", "bf16"}:
            raise ConfigError("precisions are fp32 and bf16")
        if set(self.parts) - set(PARTS) or min(lengths) <= 0 or not self.read_minutes:
            raise ConfigError(f"parts are {', '.join(PARTS)}; minutes and --token-ms must be positive")


def make_audio(folder: Path, minutes: float, target: Path) -> None:
    """Write the clips below a folder one after the other, with pauses, again and again until `minutes` are
    full.
    """
    clips = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not clips:
        raise InputError(f"{folder} holds no audio: give --audio a folder of clips")
    missing = int(minutes * 60 * SAMPLE_RATE_HZ)
    pieces: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    while missing > 0:
        for clip in clips:
            for piece in (
                load_audio(clip, SAMPLE_RATE_HZ),
                np.zeros(int(PAUSE_S * SAMPLE_RATE_HZ), np.float32),
            ):
                pieces.append(piece[:missing])
                missing -= len(pieces[-1])
            if missing <= 0:
                break
    write_wav(target, np.concatenate(pieces), SAMPLE_RATE_HZ)


def measure(task: TranscribeTask | TrainTask | SpeakTask | ReadTask) -> dict[str, Any]:
    """Run one task in a fresh process with its threads. Raises SpeechError with the process's last words."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **dict.fromkeys(names, str(task.threads)), "PYTHONPATH": path}
    command = [sys.executable, "-m", "recipes.benchmark_worker", task_text(task)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SpeechError(f"{task.system}: {reason}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_in_turn(tasks: Sequence[Task], repeats: int) -> Iterator[tuple[Task, list[dict[str, Any]] | str]]:
    """Yield each task with its results, or with the reason why there are none; rounds go over all tasks in
    turn.
    """
    results: dict[int, list[dict[str, Any]]] = {index: [] for index in range(len(tasks))}
    failures: dict[int, str] = {}
    for repeat in range(repeats):
        for index, task in enumerate(tasks):
            if index in failures:
                continue
            start = time.perf_counter()
            try:
                results[index].append(measure(task))
            except SpeechError as error:
                failures[index] = str(error)
            logger.info("%s, round %d: %.1f s", task.system, repeat + 1, time.perf_counter() - start)
    for index, task in enumerate(tasks):
        yield task, failures.get(index) or results[index]


def transcription_rows(config: RunConfig, folder: Path) -> list[dict[str, Any]]:
    """Return one row per system and length: real-time factors, load time, peak memory."""
    rows = []
    for minutes in config.minutes:
        audio = folder / f"{minutes:g}min.wav"
        make_audio(Path(config.audio or SAMPLES), minutes, audio)
        tasks = [
            TranscribeTask(name, str(audio), config.threads, config.model, config.llama, config.batch_size)
            for name in config.systems
        ]
        repeats = 1 if minutes >= LONG_MIN else config.repeats
        for task, found in measure_in_turn(tasks, repeats):
            rows.append(
                {"system": task.system, "minutes": minutes, **_transcription_row(found, minutes * 60)}
            )
        audio.unlink()
    return rows


def _transcription_row(found: list[dict[str, Any]] | str, audio_s: float) -> dict[str, Any]:
    """Return the figures of one system on one length."""
    if isinstance(found, str):
        return {"error": found}
    wall_s, cpu_s = [r["wall_s"] for r in found], [r["cpu_s"] for r in found]
    return {
        "repeats": len(found),
        "real_time_factor_min": min(wall_s) / audio_s,
        "real_time_factor_median": statistics.median(wall_s) / audio_s,
        "cpu_factor_min": min(cpu_s) / audio_s,
        "cpu_factor_median": statistics.median(cpu_s) / audio_s,
        "load_s_median": statistics.median(r["load_s"] for r in found),
        "peak_memory_mib": max(r["peak_memory_mib"] for r in found),
        "words": found[0]["words"],
        "signature": found[0]["signature"],
    }


def training_rows(config: RunConfig) -> list[dict[str, Any]]:
    """Return one row per training task and encoder: audio seconds a second, step times, peak memory."""
    rows = []
    for name, precision in itertools.product(config.tasks, config.precisions):
        tasks = [
            TrainTask(
                system=encoder,
                task=name,
                preset=config.preset,
                batch=config.batch,
                frames=config.frames,
                steps=config.steps,
                threads=config.threads,
                codebooks_per_step=config.codebooks_per_step
                if name == "best-rq" and config.preset != "tiny"
                else 0,
                precision=precision,
            )
            for encoder in config.encoders
        ]
        for task, found in measure_in_turn(tasks, config.repeats):
            rows.append({"task": name, "precision": precision, "system": task.system, **_training_row(found)})
    return rows


def _training_row(found: list[dict[str, Any]] | str) -> dict[str, Any]:
    """Return the figures of one encoder under one task."""
    if isinstance(found, str):
        return {"error": found}
    steps_s = [step for result in found for step in result["steps_s"]]
    cpu_s = [step for result in found for step in result["steps_cpu_s"]]
    audio_s = found[0]["audio_s"]
    return {
        "repeats": len(found),
        "steps": len(steps_s),
        "step_s_min": min(steps_s),
        "step_s_median": statistics.median(steps_s),
        "audio_s_per_s_max": audio_s / min(steps_s),
        "audio_s_per_s_median": audio_s / statistics.median(steps_s),
        "audio_s_per_cpu_s_median": audio_s / statistics.median(cpu_s),
        "parameters": found[0]["parameters"],
        "peak_memory_mib": max(result["peak_memory_mib"] for result in found),
        "library": found[0]["library"],
    }


def speaking_rows(config: RunConfig) -> list[dict[str, Any]]:
    """Return one row per voice: the first sound, speed, peak memory."""
    tasks = [
        SpeakTask(name, config.token_ms, config.threads, config.model, config.llama)
        for name in config.speakers
    ]
    return [
        {"system": task.system, **speaking_row(found)}
        for task, found in measure_in_turn(tasks, config.repeats)
    ]


def reading_rows(config: RunConfig) -> list[dict[str, Any]]:
    """Return one row per voice: memory while it reads a long text."""
    marks = tuple(sorted(config.read_minutes))
    tasks = [ReadTask(name, marks, config.threads, config.model, config.llama) for name in config.readers]
    return [
        {"system": task.system, "minutes": marks, **reading_row(found)}
        for task, found in measure_in_turn(tasks, 1)
    ]


def machine() -> dict[str, Any]:
    """Return processor, cores, load and versions."""
    import torch

    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def print_tables(result: dict[str, Any]) -> None:
    """Print the rows for people."""
    for row in result["transcription"]:
        head = f"{row['minutes']:g} min  {row['system']:<24}"
        if "error" in row:
            print(f"{head}  failed: {row['error']}")
            continue
        factors = (
            f"real-time factor {row['real_time_factor_median']:.3f} (min {row['real_time_factor_min']:.3f})"
        )
        print(f"{head}  {factors}  CPU {row['cpu_factor_median']:.3f}  peak {row['peak_memory_mib']:.0f} MiB")
    for row in result["training"]:
        head = f"{row['task']:<8} {row['precision']} {row['system']:<14}"
        if "error" in row:
            print(f"{head}  failed: {row['error']}")
            continue
        speed = f"{row['audio_s_per_s_median']:.1f} s of audio a second (max {row['audio_s_per_s_max']:.1f})"
        cpu = f"{row['audio_s_per_cpu_s_median']:.1f} s a CPU second"
        print(
            f"{head}  {speed}  {cpu}  {row['parameters'] / 1e6:.1f} M  peak {row['peak_memory_mib']:.0f} MiB"
        )
    for line in [*voice_lines(result["speaking"], result["reading"]), *scoring_lines(result["scoring"])]:
        print(line)


def measure_parts(config: RunConfig) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the parts that are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "transcription": transcription_rows(config, Path(folder)) if "transcribe" in config.parts else [],
            "training": training_rows(config) if "train" in config.parts else [],
            "speaking": speaking_rows(config) if "speak" in config.parts else [],
            "reading": reading_rows(config) if "read" in config.parts else [],
            "scoring": scoring_rows(config.pairs) if "score" in config.parts else [],
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure as the options say; return 1 when any measurement failed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        config = options.parse(RunConfig, __doc__ or "", argv)
        before = machine()
        rows = measure_parts(config)
    except SpeechError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    result = {
        "benchmark": "llama-speech",
        "machine": before,
        "options": options.to_dict(config),
        **rows,
    }
    print_tables(result)
    print(json.dumps(result))
    return 1 if any("error" in row for part in rows.values() for row in part) else 0


if __name__ == "__main__":
    sys.exit(main())
