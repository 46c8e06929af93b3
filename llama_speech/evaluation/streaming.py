"""A recognizer or translator run as a stream: it hears a recording grow, and writes the words it is sure of.

Words are written when two results in a row begin with them (local agreement, Liu et al., arXiv 2005.11185),
and the rest when the recording ends; what is written is never taken back. Any system that reads a file can be
measured so: it hears the recording from its start at every step, which is what its computing time counts.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llama_speech.evaluation.datasets import EvalItem
from llama_speech.evaluation.lagging import Instance
from llama_speech.evaluation.peers import SAMPLE_RATE_HZ, Recognizer
from speech_core.errors import InputError


@dataclass
class AgreedWords:
    """Words written so far, and those of the last result."""

    written: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)

    def push(self, words: Sequence[str], final: bool = False) -> int:
        """A new result for all that was heard; how many words are written on account of it."""
        agreed = len(words) if final else _common(self.last, words)
        self.last = list(words)
        new = list(words[len(self.written) : agreed])
        self.written += new
        return len(new)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two results begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def stream_item(recognizer: Recognizer, item: EvalItem, step_ms: float) -> Instance:
    """Let a recognizer hear a recording grow by steps. Raises InputError for a step of nothing."""
    from speech_core.audio import load_audio, write_wav

    if step_ms <= 0:
        raise InputError(f"a stream cannot grow by {step_ms} ms: give a step above 0")
    audio: NDArray[np.float32] = load_audio(item.audio, SAMPLE_RATE_HZ)
    step = max(1, round(step_ms * SAMPLE_RATE_HZ / 1000))
    ends = [*range(step, len(audio), step), len(audio)]
    words, delays, elapsed, spent_ms = AgreedWords(), list[float](), list[float](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heard.wav"
        for end in ends:
            write_wav(path, audio[:end], SAMPLE_RATE_HZ)
            start = time.perf_counter()
            text = recognizer.transcribe([path])[0]
            spent_ms += 1000 * (time.perf_counter() - start)
            new = words.push(text.split(), final=end == len(audio))
            delays += [1000 * end / SAMPLE_RATE_HZ] * new
            elapsed += [1000 * end / SAMPLE_RATE_HZ + spent_ms] * new
    return Instance(
        item.id,
        " ".join(words.written),
        tuple(delays),
        tuple(elapsed),
        1000 * len(audio) / SAMPLE_RATE_HZ,
        len(item.text.split()),
    )
