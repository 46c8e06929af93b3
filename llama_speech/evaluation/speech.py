"""Speaking scored: how well recognizers understand each synthesizer, how good it sounds to a model of
listeners, whether it keeps one voice, how fast it is, and how far it does as it was asked.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llama_speech.evaluation.dialogue import Share, share
from llama_speech.evaluation.measures import MeasureCache
from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.pitch import measure_f0
from llama_speech.evaluation.report import markdown_table, score_text
from llama_speech.evaluation.scores import BootstrapConfig, Metric, Score, score_texts
from llama_speech.evaluation.speech_quality import Embedding, VoiceEncoder, consistency, likeness
from llama_speech.evaluation.synthesizers import Spoken, Synthesizer
from llama_speech.evaluation.transcripts import transcribe_files
from speech_core.errors import InputError
from speech_core.pcm import write_wav

logger = logging.getLogger(__name__)

METRIC = Metric("word", "whisper-en")
_HOP_SAMPLES = 300
_LEAST_FRAMES = 3  # of a phone whose pitch is measured


@dataclass(frozen=True)
class Obedience:
    """What was measured of all phones against what was asked: correlation, and mean absolute error."""

    phones: int
    f0_correlation: float
    f0_error_cents: float
    power_correlation: float
    power_error_db: float
    duration_error_ms: float


@dataclass(frozen=True)
class SpeakerResult:
    """One synthesizer. word_errors, and heard (a text for each sentence): by recognizer; times are over all
    sentences, first_s the median. quality: means over sentences by score; voice: mean speaker embedding.
    """

    name: str
    sentences: int
    failed: int
    audio_s: float
    real_time_factor: float
    first_s: float
    word_errors: dict[str, Score]
    obedience: Obedience | None = None
    quality: dict[str, Share] = field(default_factory=dict)
    voice: tuple[float, ...] = ()
    heard: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SpeechTask:
    """What is measured. folder: where the sound goes, a folder for each synthesizer.

    quality: scores of one sound by name; voices: what tells speakers apart; cache_dir: keeps what was
    heard and measured of each sound, so that a run that was stopped goes on.
    """

    texts: tuple[str, ...]
    recognizers: tuple[Recognizer, ...]
    folder: Path
    cache_dir: Path
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)
    quality: Callable[[NDArray[np.float32], int], dict[str, float]] | None = None
    voices: VoiceEncoder | None = None
    progress: Callable[[str], None] = logger.info


def evaluate_speaker(synthesizer: Synthesizer, task: SpeechTask) -> SpeakerResult:
    """Let one synthesizer read all texts and score it; a text it fails on counts as silence."""
    paths, spoken = _read_aloud(synthesizer, task)
    audio_s = sum(len(one.samples) / one.sample_rate for one in spoken)
    task.progress(f"{synthesizer.name}: {audio_s:.0f} s spoken")
    rows = _rows(spoken, [path for path in paths if path], task)
    voices = [np.asarray(row["voice"], dtype=np.float32) for row in rows if "voice" in row]
    heard = {one.name: _hear(one, paths, task) for one in task.recognizers}
    return SpeakerResult(
        name=synthesizer.name,
        sentences=len(task.texts),
        failed=paths.count(None),
        audio_s=audio_s,
        real_time_factor=sum(one.wall_s for one in spoken) / audio_s,
        first_s=float(np.median([one.first_s for one in spoken])),
        word_errors={
            name: score_texts(task.texts, texts, METRIC, task.bootstrap) for name, texts in heard.items()
        },
        obedience=measure_obedience(spoken),
        quality=_quality(rows, voices, task),
        voice=tuple(np.mean(voices, axis=0).tolist()) if voices else (),
        heard=heard,
    )


def _read_aloud(synthesizer: Synthesizer, task: SpeechTask) -> tuple[list[Path | None], list[Spoken]]:
    """Files of all texts, None where it fails, and what was spoken. Raises InputError if nothing was."""
    paths: list[Path | None] = []
    spoken: list[Spoken] = []
    folder = task.folder / synthesizer.name.replace("/", "_").replace(" ", "_")[:60]
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(task.texts):
        try:
            one = synthesizer.speak(text)
        except InputError as error:
            logger.warning("%s: %s", synthesizer.name, error)
            paths.append(None)
            continue
        spoken.append(one)
        paths.append(folder / f"{number:04d}.wav")
        write_wav(folder / f"{number:04d}.wav", one.samples, one.sample_rate)
    if not spoken:
        raise InputError(f"{synthesizer.name} spoke none of the {len(task.texts)} texts")
    return paths, spoken


def _hear(recognizer: Recognizer, paths: Sequence[Path | None], task: SpeechTask) -> list[str]:
    """What a recognizer makes of each sentence; nothing where there is no sound or it fails."""
    sounds = [path for path in paths if path]
    found = iter(transcribe_files(recognizer, sounds, task.cache_dir / "transcripts"))
    heard = [next(found).text if path else "" for path in paths]
    task.progress(f"{recognizer.name}: {len(heard)} sentences heard")
    return heard


def _rows(spoken: Sequence[Spoken], sounds: Sequence[Path], task: SpeechTask) -> list[dict[str, Any]]:
    """What is measured of each sound: quality scores under `quality`, a speaker embedding under `voice`."""
    makers: dict[str, Callable[[Spoken], Any]] = {}
    if task.quality is not None:
        score = task.quality
        makers["quality"] = lambda one: score(one.samples, one.sample_rate)
    if task.voices is not None:
        encoder = task.voices
        makers["voice"] = lambda one: encoder.embed(one.samples, one.sample_rate).tolist()
    cache = MeasureCache(task.cache_dir / "sounds.jsonl")
    return [
        {name: cache.get(name, path, partial(make, one)) for name, make in makers.items()}
        for one, path in zip(spoken, sounds, strict=True)
    ]


def _quality(
    rows: Sequence[dict[str, Any]], voices: Sequence[Embedding], task: SpeechTask
) -> dict[str, Share]:
    """Means of the quality scores, and of each sentence's likeness to the voice of the others."""
    scores = [row["quality"] for row in rows if "quality" in row]
    values = {name: [score[name] for score in scores] for name in (scores[0] if scores else {})}
    if voices:
        values["same voice"] = consistency(voices)
    return {name: share(found, task.bootstrap) for name, found in values.items()}


def measure_obedience(spoken: Sequence[Spoken]) -> Obedience | None:
    """Pitch, power and duration of the sound, phone by phone; None where no phones are known."""
    rows = [row for one in spoken for row in _phone_rows(one)]
    if not rows:
        return None
    table = np.asarray(rows)
    pitched = table[np.isfinite(table[:, 0]) & np.isfinite(table[:, 1])]
    f0 = pitched[:, :2] if len(pitched) > 2 else np.zeros((3, 2))
    return Obedience(
        phones=len(table),
        f0_correlation=_correlation(f0),
        f0_error_cents=float(np.abs(f0[:, 0] - f0[:, 1]).mean() * 1200 / np.log(2)),
        power_correlation=_correlation(table[:, 2:4]),
        power_error_db=float(np.abs(table[:, 2] - table[:, 3]).mean() * 10 / np.log(10)),
        duration_error_ms=float(np.abs(table[:, 4] - table[:, 5]).mean() * 1000),
    )


def _correlation(pairs: NDArray[np.float64]) -> float:
    if pairs[:, 0].std() == 0 or pairs[:, 1].std() == 0:
        return 0.0
    return float(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1])


def _phone_rows(spoken: Spoken) -> list[tuple[float, ...]]:
    """For each phone but pauses: log F0, log power and seconds, asked for and measured."""
    import torch

    from speech_synthesis.config import FrameConfig
    from speech_synthesis.mel import frame_log_power

    if not spoken.phones:
        return []
    f0_hz = measure_f0(spoken.samples, spoken.sample_rate, _HOP_SAMPLES)
    power = frame_log_power(torch.from_numpy(spoken.samples), FrameConfig()).numpy()
    rows: list[tuple[float, ...]] = []
    for phone in spoken.phones:
        first, last = phone.start_sample // _HOP_SAMPLES, phone.end_sample // _HOP_SAMPLES
        event = phone.event
        if event.phone.word < 0 or last > len(f0_hz) or last - first < _LEAST_FRAMES:
            continue
        voiced = f0_hz[first:last][f0_hz[first:last] > 0]
        asked = np.nan if event.log_f0 is None else event.log_f0
        found = float(np.log(voiced).mean()) if len(voiced) * 2 > last - first else np.nan
        seconds = (phone.end_sample - phone.start_sample) / spoken.sample_rate
        powers = (event.log_power, float(power[first:last].mean()))
        rows.append((asked, found, *powers, float(np.exp(event.log_duration)), seconds))
    return rows


def to_plain(results: Sequence[SpeakerResult]) -> list[dict[str, Any]]:
    """The results as JSON values."""
    return [asdict(result) for result in results]


def to_markdown(results: Sequence[SpeakerResult]) -> str:
    """Tables: understanding and speed of all, then obedience where phones are known."""
    hearers = list(results[0].word_errors)
    scores = list(results[0].quality)
    header = ["synthesizer", *(f"{METRIC.name}, {name}" for name in hearers), *scores]
    header += ["time / audio", "first sound, ms", "audio, s", "failed"]
    rows = [
        [
            result.name,
            *(score_text(result.word_errors[name]) for name in hearers),
            *(_quality_text(result.quality[name]) for name in scores),
            f"{result.real_time_factor:.3f}",
            f"{1000 * result.first_s:.0f}",
            f"{result.audio_s:.0f}",
            str(result.failed),
        ]
        for result in results
    ]
    text = markdown_table(header, rows) + _voices_text(results)
    for result in results:
        one = result.obedience
        if one is not None:
            text += (
                f"\n{result.name} against what was asked of {one.phones} phones: F0 correlation "
                f"{one.f0_correlation:.3f}, error {one.f0_error_cents:.0f} cents; power correlation "
                f"{one.power_correlation:.3f}, error {one.power_error_db:.1f} dB; duration error "
                f"{one.duration_error_ms:.1f} ms.\n"
            )
    return text


def _quality_text(found: Share) -> str:
    if found.mean is None:
        return "-"
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _voices_text(results: Sequence[SpeakerResult]) -> str:
    """Cosines of the mean voices of each two synthesizers, where they are known."""
    known = [result for result in results if result.voice]
    pairs = [
        f"{one.name} and {other.name} {likeness(np.asarray(one.voice), np.asarray(other.voice)):.2f}"
        for number, one in enumerate(known)
        for other in known[number + 1 :]
    ]
    return f"\nVoices alike (cosine of mean speaker embeddings): {', '.join(pairs)}.\n" if pairs else ""
