"""One measurement of the benchmark in a process of its own, so that its peak memory is its own.

    python -m recipes.benchmark_worker '{"kind": "train", ...}'

Reads a task as JSON from its argument and prints one JSON object; recipes/benchmark.py starts it.
"""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class TranscribeTask:
    """Transcribe one file with one system: a peer's name, or llama-speech or llama-speech:MODE."""

    system: str
    audio: str
    threads: int
    bundle: str | None = None
    llama: str | None = None
    batch_size: int = 8


@dataclass(frozen=True)
class TrainTask:
    """Train one encoder on random batches of equal length; `steps` are timed after one that is not."""

    system: str
    task: str
    preset: str
    batch: int
    frames: int
    steps: int
    threads: int
    codebooks_per_step: int = 0
    precision: str = "fp32"  # or bf16: autocast, as in training


def peak_memory_mib() -> float:
    """Return the largest resident size of this process so far.

    Linux counts from the start of the program (VmHWM); the portable figure may hold the parent's size too.
    """
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def measure_transcription(task: TranscribeTask) -> dict[str, Any]:
    """Return load and transcription times, words written, peak memory and signature of one system on one
    file.
    """
    from llama_speech.evaluation.transcripts import cpu_time_s

    start = time.perf_counter()
    recognizer = _recognizer(task)
    recognizer.prepare()
    loaded, cpu_start = time.perf_counter(), cpu_time_s()
    (text,) = recognizer.transcribe([Path(task.audio)])
    wall_s, cpu_s = time.perf_counter() - loaded, cpu_time_s() - cpu_start
    return {
        "load_s": loaded - start,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_memory_mib": peak_memory_mib(),
        "words": len(text.split()),
        "signature": recognizer.signature(),
    }


def _recognizer(task: TranscribeTask) -> Any:
    """Return the system a task names."""
    from llama_speech.evaluation.peers import PeerOptions, make_peer

    name, _, mode = task.system.partition(":")
    if name != "llama-speech":
        return make_peer(task.system, PeerOptions(threads=task.threads))
    from llama_speech.evaluation.ours import OurOptions, load_modes

    options = OurOptions(
        bundle=task.bundle, llama=task.llama, threads=task.threads, batch_size=task.batch_size
    )
    return load_modes(options, (mode or "llama",))[0]


def measure_training(task: TrainTask) -> dict[str, Any]:
    """Return seconds of each step (forward, backward, AdamW), parameters and peak memory of one encoder."""
    import torch

    from recipes.benchmark_encoders import build_model, count_parameters, library_version
    from speech_encoder.config import BEST_RQ_PRESETS, ENCODER_PRESETS

    torch.manual_seed(0)
    torch.set_num_threads(task.threads)
    encoder = ENCODER_PRESETS[task.preset]
    best_rq = replace_codebooks(BEST_RQ_PRESETS[task.preset], task.codebooks_per_step)
    model = build_model(task.task, task.system, encoder, best_rq).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(task.batch, task.frames, encoder.features.num_mels, generator=generator)
    lengths = torch.full((task.batch,), task.frames)
    steps_s, steps_cpu_s, losses = [], [], []
    for _ in range(task.steps + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=task.precision == "bf16"):
            loss = model(features, lengths, generator)
        loss.backward()
        optimizer.step()
        steps_s.append(time.perf_counter() - start)
        steps_cpu_s.append(time.process_time() - cpu_start)
        losses.append(loss.item())
    return {
        "steps_s": steps_s[1:],
        "steps_cpu_s": steps_cpu_s[1:],
        "losses": losses,
        "parameters": count_parameters(model),
        "audio_s": task.batch * task.frames / encoder.features.frame_rate_hz,
        "peak_memory_mib": peak_memory_mib(),
        "library": library_version(task.system),
    }


def replace_codebooks(config: Any, codebooks_per_step: int) -> Any:
    """Return a BEST-RQ configuration whose steps compute so many books (0 = all)."""
    from dataclasses import replace

    return replace(config, codebooks_per_step=codebooks_per_step)


def task_text(task: Any) -> str:
    """Return a task as the argument of this program: SpeakTask is of kind "speak", and so on."""
    return json.dumps({"kind": type(task).__name__.removesuffix("Task").lower(), **asdict(task)})


def main(argv: list[str]) -> int:
    """Run the task in the only argument and print its result."""
    fields = json.loads(argv[0])
    kind = fields.pop("kind")
    print(json.dumps(_measure(kind, fields)))
    return 0


def _measure(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    if kind == "transcribe":
        return measure_transcription(TranscribeTask(**fields))
    if kind == "train":
        return measure_training(TrainTask(**fields))
    from recipes.benchmark_voice import ReadTask, SpeakTask, measure_reading, measure_speaking

    return measure_speaking(SpeakTask(**fields)) if kind == "speak" else measure_reading(ReadTask(**fields))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
