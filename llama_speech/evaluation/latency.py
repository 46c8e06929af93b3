"""How long one waits: first word and sound of an answer, throughput against concurrency, lag of streams.

Times are wall time of this machine as it was; only what is measured in one run can be compared. First word
and sound are counted from the moment the whole question is there, so voice activity and the network of a
service come on top (`llama-speech serve --self-check` measures those).
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llama_speech.evaluation.asr import ProgressTo, duration_s, machine_text
from llama_speech.evaluation.datasets import EvalItem
from llama_speech.evaluation.lagging import Instance, Lag, corpus_lags
from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.report import markdown_table
from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.streaming import stream_item
from speech_core.errors import InputError, SpeechError

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama

logger = logging.getLogger(__name__)

WARM_UP = 1  # questions that are asked before the measured ones


@dataclass(frozen=True)
class FirstTimes:
    """Time from a whole question to something: percentiles in ms, and each."""

    what: str
    questions: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    each_ms: list[float]


@dataclass(frozen=True)
class Throughput:
    """Files through one way at one concurrency. audio_s_per_s: seconds of audio done in a second; the
    real-time factor is its inverse; p50_s, p95_s: of one request (None where files share a batch).
    """

    way: str
    concurrency: int
    files: int
    failed: int
    audio_s: float
    wall_s: float
    audio_s_per_s: float | None
    real_time_factor: float | None
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True)
class StreamLags:
    """One system as a stream: AL and LAAL, computation-aware (_CA) and not."""

    system: str
    step_ms: float
    lags: dict[str, Lag]
    instances: list[Instance]


@dataclass(frozen=True)
class LatencyResult:
    """Everything of one run. dropped: items of the data that were left out, by reason."""

    task: str
    created: str
    machine: str
    signature: str
    dropped: dict[str, int]
    first: list[FirstTimes] = field(default_factory=list)
    throughput: list[Throughput] = field(default_factory=list)
    streams: list[StreamLags] = field(default_factory=list)


def percentile(values: Sequence[float], share: float) -> float | None:
    """A percentile by linear interpolation; None of nothing."""
    return float(np.percentile(values, share)) if len(values) else None


def measure_first(model: "SpeechLlama", items: Sequence[EvalItem], max_tokens: int) -> list[FirstTimes]:
    """First word of the answer to each spoken question and, where the model speaks, its first sound."""
    words, sounds, failed = list[float](), list[float](), 0
    try:
        speaker = model.speaker if model.parts.voice is not None else None
    except SpeechError:
        speaker = None
    for number, item in enumerate([*items[:WARM_UP], *items]):
        try:
            word_ms, sound_ms = _first_of_answer(model, speaker, item, max_tokens)
        except SpeechError as error:
            logger.warning("%s: %s", item.id, error)
            failed += number >= WARM_UP
            continue
        if number >= WARM_UP:
            words += [word_ms] if word_ms is not None else []
            sounds += [sound_ms] if sound_ms is not None else []
    found = [_first("first word of the answer", words, len(items), failed)]
    if speaker is not None:
        found.append(_first("first sound of the answer", sounds, len(items), failed))
    return found


def _first(what: str, each_ms: list[float], questions: int, failed: int) -> FirstTimes:
    return FirstTimes(what, questions, failed, percentile(each_ms, 50), percentile(each_ms, 95), each_ms)


def _first_of_answer(
    model: "SpeechLlama", speaker: Any, item: EvalItem, max_tokens: int
) -> tuple[float | None, float | None]:
    """Milliseconds until the first word and the first sound; None for what never came."""
    part = {"type": "input_audio", "input_audio": {"data": item.audio}}
    start = time.perf_counter()
    answer = model.chat(
        [{"role": "user", "content": [part]}], max_tokens=max_tokens, embeddings=speaker is not None
    )
    sound, word_ms = speaker.stream() if speaker is not None else None, None
    for event in answer:
        if word_ms is None and event.text.strip():
            word_ms = 1000 * (time.perf_counter() - start)
        if sound is None and word_ms is not None:
            return word_ms, None
        if sound is not None and any(len(chunk.samples) for chunk in sound.push(event)):
            return word_ms, 1000 * (time.perf_counter() - start)
    ended = sound is not None and any(len(chunk.samples) for chunk in sound.flush())
    return word_ms, 1000 * (time.perf_counter() - start) if ended else None


def measure_batches(
    way: str,
    transcribe: Callable[[list[Path], int], Sequence[Any]],
    items: Sequence[EvalItem],
    sizes: Sequence[int],
) -> list[Throughput]:
    """Throughput of a system that takes several files at once, for each batch size.

    transcribe: (files, size) -> an outcome for each file, a SpeechError where it failed.
    """
    paths = [item.audio for item in items]
    found = []
    for size in sizes:
        start = time.perf_counter()
        outcomes = transcribe(paths, size)
        wall_s = time.perf_counter() - start
        failed = [isinstance(outcome, SpeechError) for outcome in outcomes]
        found.append(_throughput(way, size, items, failed, (wall_s, [])))
    return found


def measure_requests(
    way: str, recognizer: Recognizer, items: Sequence[EvalItem], clients: Sequence[int]
) -> list[Throughput]:
    """Throughput and waiting times when so many clients ask at once, each for one file after the other."""

    def ask(item: EvalItem) -> tuple[float, bool]:
        start = time.perf_counter()
        try:
            recognizer.transcribe([item.audio])
        except SpeechError:
            return time.perf_counter() - start, True
        return time.perf_counter() - start, False

    recognizer.prepare()
    found = []
    for number in clients:
        start = time.perf_counter()
        with ThreadPoolExecutor(number) as pool:
            asked = list(pool.map(ask, items))
        wall_s = time.perf_counter() - start
        waits = [wait_s for wait_s, failed in asked if not failed]
        found.append(_throughput(way, number, items, [failed for _, failed in asked], (wall_s, waits)))
    return found


def _throughput(
    way: str, number: int, items: Sequence[EvalItem], failed: Sequence[bool], times: tuple[float, list[float]]
) -> Throughput:
    wall_s, waits = times
    audio_s = sum(duration_s(item) for item, bad in zip(items, failed, strict=True) if not bad)
    return Throughput(
        way=way,
        concurrency=number,
        files=len(items),
        failed=sum(failed),
        audio_s=audio_s,
        wall_s=wall_s,
        audio_s_per_s=audio_s / wall_s if audio_s else None,
        real_time_factor=wall_s / audio_s if audio_s else None,
        p50_s=percentile(waits, 50),
        p95_s=percentile(waits, 95),
    )


def measure_streams(
    recognizers: Sequence[Recognizer],
    items: Sequence[EvalItem],
    step_ms: float,
    bootstrap: BootstrapConfig,
    progress: ProgressTo | None = None,
) -> list[StreamLags]:
    """Every system as a stream over the same recordings."""
    found = []
    for recognizer in recognizers:
        recognizer.prepare()
        show = progress(f"{recognizer.name} as a stream") if progress else None
        instances = []
        for number, item in enumerate(items, start=1):
            instances.append(stream_item(recognizer, item, step_ms))
            if show:
                show(number, len(items))
        found.append(StreamLags(recognizer.name, step_ms, corpus_lags(instances, bootstrap), instances))
    return found


def make_result(signature: str, dropped: dict[str, int], **parts: Any) -> LatencyResult:
    """A result of what was measured. Raises InputError when nothing was."""
    if not any(parts.values()):
        raise InputError("nothing was measured: give --questions, --concurrency or --stream")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return LatencyResult("latency", created, machine_text(), signature, dropped, **parts)


def to_markdown(result: LatencyResult) -> str:
    """The report for people."""
    left_out = "; ".join(f"{count} {reason}" for reason, count in result.dropped.items()) or "none"
    parts = [f"# Latency\n\n{result.created}, {result.machine}. Items left out: {left_out}.\n"]
    if result.first:
        rows = [
            [one.what, str(one.questions), _ms(one.p50_ms), _ms(one.p95_ms), str(one.failed)]
            for one in result.first
        ]
        header = ["from the whole question to the", "questions", "median, ms", "95 %, ms", "failed"]
        parts.append(f"## Answers\n\n{markdown_table(header, rows)}")
    if result.throughput:
        header = ["way", "at once", "files", "audio, s", "audio s per wall s", "wall s per audio s"]
        header += ["median, s", "95 %, s", "failed"]
        rows = [
            [
                *(one.way, str(one.concurrency), str(one.files), f"{one.audio_s:.0f}"),
                *(_s(one.audio_s_per_s), _s(one.real_time_factor, 3), _s(one.p50_s), _s(one.p95_s)),
                str(one.failed),
            ]
            for one in result.throughput
        ]
        parts.append(f"## Files\n\n{markdown_table(header, rows)}")
    if result.streams:
        names = list(result.streams[0].lags)
        rows = [
            [
                one.system,
                f"{one.step_ms:g}",
                str(len(one.instances)),
                *(_lag(one.lags[name]) for name in names),
                str(one.lags["AL"].skipped),
            ]
            for one in result.streams
        ]
        header = ["system", "step, ms", "recordings", *(f"{name}, ms" for name in names), "without words"]
        parts.append(f"## Streams, lag with 95 % interval\n\n{markdown_table(header, rows)}")
    return "\n".join([*parts, f"Signature: `{result.signature}`\n"])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _s(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _lag(lag: Lag) -> str:
    if lag.mean_ms is None:
        return "-"
    return f"{lag.mean_ms:.0f} [{lag.low_ms:.0f}, {lag.high_ms:.0f}]"


def to_plain(result: LatencyResult) -> dict[str, Any]:
    """The result as JSON values."""
    return asdict(result)
