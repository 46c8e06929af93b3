"""Speaking measured: from the first token of a Llama to the first sample, speed, and memory over long text.

Parts `speak` and `read` of recipes.benchmark. Tokens arrive by a clock that is reckoned, one every
`token_ms`, as from a Llama that writes at that pace; what the voice computes is timed, by the clock and by
the processor, which other work on the machine disturbs less. A voice that streams begins as soon as its
lookahead allows, a peer that needs the sentence waits for its last token.
"""

import logging
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_speech.evaluation.transcripts import cpu_time_s
from recipes.benchmark_worker import STATUS, peak_memory_mib
from speech_core.errors import ConfigError

logger = logging.getLogger(__name__)

OURS = "llama-speech"
ALONE = "llama-speech:no-llama"  # our voice without the Llama that gives states: a reader only
SYSTEMS = (OURS, "hibari", "piper", "flite", "espeak-ng")
READERS = (OURS, "hibari")
LISTED = ("first_s", "own_s", "first_cpu_s", "own_cpu_s", "tokens")  # of each sentence
TEXTS = (
    "The harbour was quiet when the last boat came in.",
    "If you add the numbers in the second column, you will find that they do not match the total.",
    "She laughed, put the letter back into its envelope, and said nothing more about it.",
    "Could you tell me which train leaves for the coast before nine o'clock in the morning?",
    "Water boils at a lower temperature on a mountain, because the air presses less upon it.",
    "Yes, of course.",
    "He had promised to repair the fence, the gate and the roof of the barn before the winter began.",
    "Nobody knew how old the tree was, but the children counted more than two hundred rings.",
)


@dataclass(frozen=True)
class SpeakTask:
    """Speak TEXTS, sentence by sentence, with one system. token_ms: between two tokens of the Llama."""

    system: str
    token_ms: float
    threads: int
    bundle: str | None = None
    llama: str | None = None


@dataclass(frozen=True)
class ReadTask:
    """Read one long text with one system (also ALONE); memory is looked at after so many minutes of sound."""

    system: str
    minutes: tuple[float, ...]
    threads: int
    bundle: str | None = None
    llama: str | None = None


@dataclass(frozen=True)
class Spell:
    """One sentence. first_s: from its first token to the first sample; own_s: of it, computing; both with the
    work taken by the clock, and *_cpu_s by the processor.
    """

    tokens: int  # that had come at the first sample
    first_s: float
    own_s: float
    first_cpu_s: float
    own_cpu_s: float
    wall_s: float
    audio_s: float


def first_sound(works_s: Sequence[float], token_s: float, tokens_each: int = 1) -> float:
    """When the last of some pieces of work is done, each of which can begin when its tokens have come.

    The first token comes at time 0, the others `token_s` apart.
    """
    done = 0.0
    for number, work_s in enumerate(works_s):
        arrival = ((number + 1) * tokens_each - 1) * token_s
        done = max(done, arrival) + work_s
    return done


def measure_speaking(task: SpeakTask) -> dict[str, Any]:
    """Sentences of one system after one that is not counted: times, speed, peak memory."""
    import torch

    torch.set_num_threads(task.threads)
    start = time.perf_counter()
    speak = _our_speaking(task) if task.system == OURS else _peer_speaking(task)
    load_s = time.perf_counter() - start
    speak(TEXTS[0])
    cpu_start = cpu_time_s()
    spells = [speak(text) for text in TEXTS]
    cpu_s = cpu_time_s() - cpu_start
    audio_s = sum(one.audio_s for one in spells)
    return {
        "load_s": load_s,
        **{name: [getattr(one, name) for one in spells] for name in LISTED},
        "wall_s": sum(one.wall_s for one in spells),
        "cpu_s": cpu_s,
        "audio_s": audio_s,
        "peak_memory_mib": peak_memory_mib(),
    }


def _our_speaking(task: SpeakTask) -> Any:
    """The shipped voice; the states of the tokens are there when they come, as from a Llama that writes."""
    from llama_speech.speech import VoiceSource, load_speaker
    from llama_speech.text_states import TextStates

    speaker = load_speaker(VoiceSource(task.bundle, task.llama, use_llama=False))
    states = TextStates.from_folder(_llama(task))

    def speak(text: str) -> Spell:
        events, stream = states.events(text), speaker.stream()
        works, samples, heard = [], 0, 0
        for event in [*events, None]:
            start, cpu_start = time.perf_counter(), cpu_time_s()
            chunks = stream.flush() if event is None else stream.push(event)
            works.append((time.perf_counter() - start, cpu_time_s() - cpu_start))
            samples += sum(len(chunk.samples) for chunk in chunks)
            heard = heard or (len(works) if samples else 0)
        wall, cpu = ([work[clock] for work in works[:heard]] for clock in (0, 1))
        token_s = task.token_ms / 1000
        return Spell(
            min(heard, len(events)),
            *(first_sound(wall, token_s), sum(wall), first_sound(cpu, token_s), sum(cpu)),
            wall_s=sum(work[0] for work in works),
            audio_s=samples / speaker.sample_rate,
        )

    return speak


def _peer_speaking(task: SpeakTask) -> Any:
    """A peer, which is given the sentence when its last token has come."""
    from llama_speech.evaluation.synthesizers import make_synthesizer
    from speech_adapter.tokenizer import ChatTokenizer

    synthesizer, tokenizer = make_synthesizer(task.system), ChatTokenizer.from_folder(_llama(task))

    def speak(text: str) -> Spell:
        tokens, token_s = len(tokenizer.encode_literal(text)), task.token_ms / 1000
        cpu_start = cpu_time_s()
        spoken = synthesizer.speak(text)
        own_s = spoken.first_s
        own_cpu_s = (cpu_time_s() - cpu_start) * own_s / spoken.wall_s  # of all of it, in proportion
        first_s, first_cpu_s = (first_sound([work], token_s, tokens) for work in (own_s, own_cpu_s))
        audio_s = len(spoken.samples) / spoken.sample_rate
        return Spell(tokens, first_s, own_s, first_cpu_s, own_cpu_s, spoken.wall_s, audio_s)

    return speak


def _llama(task: SpeakTask) -> Path:
    from llama_speech.bundle import read_bundle
    from llama_speech.loading import llama_source

    llama = llama_source(read_bundle(task.bundle), task.llama)
    if not isinstance(llama, Path):
        raise ConfigError(f"the Llama {llama} is not a folder: give --llama FOLDER")
    return llama


def long_text() -> Iterator[str]:
    """Sentences without end, no two paragraphs alike."""
    number = 0
    while True:
        number += 1
        yield f"Chapter {number}. "
        yield from (f"{text} " for text in TEXTS)


def measure_reading(task: ReadTask) -> dict[str, Any]:
    """Memory at each of the lengths, and the time to get there."""
    import torch

    torch.set_num_threads(task.threads)
    marks = sorted(task.minutes)
    memory_mib: list[float] = []
    audio_s, start, cpu_start = 0.0, time.perf_counter(), cpu_time_s()
    for seconds in _our_reading(task) if task.system in (OURS, ALONE) else _peer_reading(task):
        audio_s += seconds
        if audio_s >= marks[len(memory_mib)] * 60:
            memory_mib.append(memory_now_mib())
            logger.info("%s: %.1f MiB after %.0f s of sound", task.system, memory_mib[-1], audio_s)
        if len(memory_mib) == len(marks):
            break
    return {
        "memory_mib": memory_mib,
        "wall_s": time.perf_counter() - start,
        "cpu_s": cpu_time_s() - cpu_start,
        "audio_s": audio_s,
        "peak_memory_mib": peak_memory_mib(),
    }


def _our_reading(task: ReadTask) -> Iterator[float]:
    """Seconds of each chunk of one stream that never ends; the Llama reads along, or the voice is ALONE."""
    from llama_speech.speech import VoiceSource, load_speaker

    speaker = load_speaker(VoiceSource(task.bundle, task.llama, use_llama=task.system == OURS))
    for chunk in speaker.say(long_text(), speaker.stream()):
        yield len(chunk.samples) / speaker.sample_rate


def _peer_reading(task: ReadTask) -> Iterator[float]:
    from llama_speech.evaluation.synthesizers import make_synthesizer

    synthesizer = make_synthesizer(task.system)
    for text in long_text():
        spoken = synthesizer.speak(text)
        yield len(spoken.samples) / spoken.sample_rate


def memory_now_mib() -> float:
    """Resident memory of this process; its peak where the system does not tell."""
    if not STATUS.exists():
        return peak_memory_mib()
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def speaking_row(found: list[dict[str, Any]] | str) -> dict[str, Any]:
    """Figures of one system over all rounds and sentences."""
    if isinstance(found, str):
        return {"error": found}
    median = {name: statistics.median(value for result in found for value in result[name]) for name in LISTED}
    return {
        "repeats": len(found),
        "first_ms_median": 1000 * median["first_s"],
        "own_ms_median": 1000 * median["own_s"],
        "first_cpu_ms_median": 1000 * median["first_cpu_s"],
        "first_cpu_ms_max": 1000 * max(value for result in found for value in result["first_cpu_s"]),
        "own_cpu_ms_median": 1000 * median["own_cpu_s"],
        "tokens_median": median["tokens"],
        "real_time_factor_median": statistics.median(r["wall_s"] / r["audio_s"] for r in found),
        "cpu_factor_median": statistics.median(r["cpu_s"] / r["audio_s"] for r in found),
        "load_s_median": statistics.median(r["load_s"] for r in found),
        "audio_s": found[0]["audio_s"],
        "peak_memory_mib": max(r["peak_memory_mib"] for r in found),
    }


def reading_row(found: list[dict[str, Any]] | str) -> dict[str, Any]:
    """Figures of one system on one long text."""
    if isinstance(found, str):
        return {"error": found}
    one = found[0]
    return {
        "memory_mib": one["memory_mib"],
        "real_time_factor": one["wall_s"] / one["audio_s"],
        "cpu_factor": one["cpu_s"] / one["audio_s"],
        "audio_s": one["audio_s"],
        "peak_memory_mib": one["peak_memory_mib"],
    }


def voice_lines(speaking: Sequence[dict[str, Any]], reading: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The rows for people."""
    for row in speaking:
        if "error" in row:
            yield f"speak  {row['system']:<14}  failed: {row['error']}"
            continue
        yield (
            f"speak  {row['system']:<14}  first sound {row['first_ms_median']:.0f} ms after the first token "
            f"(CPU {row['first_cpu_ms_median']:.0f}; own work {row['own_ms_median']:.0f} ms, CPU "
            f"{row['own_cpu_ms_median']:.0f}; {row['tokens_median']:g} tokens)  real-time factor "
            f"{row['real_time_factor_median']:.3f}  CPU {row['cpu_factor_median']:.3f}  "
            f"peak {row['peak_memory_mib']:.0f} MiB"
        )
    for row in reading:
        if "error" in row:
            yield f"read   {row['system']:<14}  failed: {row['error']}"
            continue
        marks = ", ".join(
            f"{minutes:g} min {mib:.0f}"
            for minutes, mib in zip(row["minutes"], row["memory_mib"], strict=True)
        )
        yield f"read   {row['system']:<14}  memory in MiB at {marks}; peak {row['peak_memory_mib']:.0f}"
