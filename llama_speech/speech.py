"""Text to speech: the parts of a bundle that speak, with the Llama's states where they are used."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from llama_speech.bundle import Bundle, read_bundle
from llama_speech.loading import llama_source
from prosody.predictor import ProsodyOptions, load_prosody
from speech_core.errors import BundleError, InputError
from speech_core.events import AudioChunk, TokenEvent
from speech_core.pcm import Audio
from speech_synthesis.acoustic import load_acoustic
from speech_synthesis.synthesizer import PhoneTime, SpeechStream, SynthesizerParts, WordTime
from speech_synthesis.vocoder import load_vocoder
from tts_frontend.frontend import FrontendStream
from tts_frontend.normalizer import TextNormalizer
from tts_frontend.pronunciation import load_pronouncer
from tts_frontend.pronunciation_lexicon import read_user_lexicon

if TYPE_CHECKING:
    from llama_speech.text_states import TextStates

COMPONENTS = ("pronunciation", "prosody", "acoustic", "vocoder")
_MOST_CHARACTERS = 400  # said at once; the Llama reads so much before the first sound
_ENDS = re.compile(r"(?<=[.!?…。！？])\s+|\n+")


@dataclass(frozen=True)
class VoiceSource:
    """Which voice. bundle: folder (default: the shipped one); llama: folder or GGUF file of another Llama.

    lexicon: file of words and their phones, which go before all others; use_llama: whether the Llama's states
    are computed for plain text.
    """

    bundle: str | os.PathLike[str] | None = None
    llama: str | os.PathLike[str] | None = None
    lexicon: str | os.PathLike[str] | None = None
    use_llama: bool = True


@dataclass(frozen=True)
class Speech:
    """What was said. samples (samples,) float32 in [-1, 1]; words: which samples say which word."""

    samples: Audio
    sample_rate: int
    words: tuple[WordTime, ...]
    phones: tuple[PhoneTime, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


class Speaker:
    """A voice, ready to speak again and again."""

    def __init__(self, parts: SynthesizerParts, states: "TextStates | None" = None) -> None:
        """states: computes the Llama's states of plain text; None: the voice does without."""
        self.parts, self._states = parts, states

    @property
    def sample_rate(self) -> int:
        """Hz of all sound."""
        return self.parts.sample_rate

    def stream(self, options: ProsodyOptions | None = None, keep_phones: bool = False) -> SpeechStream:
        """A stream for the tokens of a Llama (or for text) that are still to come."""
        return SpeechStream(self.parts, options, keep_phones)

    def say(self, pieces: Iterable[str], stream: SpeechStream) -> Iterator[AudioChunk]:
        """Sound of text that comes in pieces of any size, once it is final; `stream` tells the words."""
        for text in whole_phrases(pieces):
            if self._states is None:
                yield from stream.push_text(text)
                continue
            for event in self._events(text):
                yield from stream.push(event)
        yield from stream.flush()

    def speak(self, text: str, options: ProsodyOptions | None = None, keep_phones: bool = False) -> Speech:
        """All of a text at once. Raises InputError when there is nothing in it to be said."""
        stream = self.stream(options, keep_phones)
        chunks = [chunk.samples for chunk in self.say([text], stream)]
        if not chunks:
            raise InputError(f"there is nothing to say in {_shown(text)}: give some words")
        samples = np.asarray(torch.cat(chunks), dtype=np.float32)
        return Speech(samples, self.sample_rate, tuple(stream.word_times), tuple(stream.phones))

    def _events(self, text: str) -> list[TokenEvent]:
        assert self._states is not None
        return self._states.events(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def whole_phrases(pieces: Iterable[str]) -> Iterator[str]:
    """Text cut behind sentences and lines, at spaces where they are long; joined it is the text.

    A phrase is given when the next one has begun, so that pieces may come at any pace.
    """
    rest = ""
    for piece in pieces:
        rest += piece
        while cut := _cut(rest):
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _cut(text: str) -> int:
    """Where the first phrase ends for sure, 0 while that is not known."""
    for match in _ENDS.finditer(text):
        if match.end() < len(text) and match.end() <= _MOST_CHARACTERS:
            return match.end()
    if len(text) <= _MOST_CHARACTERS:
        return 0
    space = text.rfind(" ", 1, _MOST_CHARACTERS)
    return space + 1 if space > 0 else _MOST_CHARACTERS


def load_speaker(source: VoiceSource | None = None) -> Speaker:
    """The voice of a bundle.

    Raises BundleError when the bundle cannot speak, CheckpointError when a file is damaged, InputError for a
    lexicon that cannot be read.
    """
    source = source or VoiceSource()
    bundle = read_bundle(source.bundle)
    missing = [name for name in COMPONENTS if name not in bundle.components]
    if missing:
        raise BundleError(f"bundle {bundle.folder} cannot speak: it has no {', '.join(missing)}")
    parts = _parts(bundle, source)
    return Speaker(parts, _text_states(bundle, source) if _needs_states(parts, source) else None)


def _parts(bundle: Bundle, source: VoiceSource) -> SynthesizerParts:
    user = read_user_lexicon(Path(source.lexicon)) if source.lexicon is not None else None
    pronouncer = load_pronouncer(bundle.component("pronunciation"), user)
    tagger = None
    if "text_normalizer" in bundle.components:
        from llama_speech.normalization import load_tagger

        tagger = load_tagger(bundle.folder)
    return SynthesizerParts(
        frontend=lambda: FrontendStream(pronouncer, TextNormalizer(tagger=tagger)),
        prosody=load_prosody(bundle.component("prosody")),
        acoustic=load_acoustic(bundle.component("acoustic")),
        vocoder=load_vocoder(bundle.component("vocoder")),
    )


def _needs_states(parts: SynthesizerParts, source: VoiceSource) -> bool:
    return source.use_llama and parts.prosody.config.uses_tokens


def _text_states(bundle: Bundle, source: VoiceSource) -> "TextStates | None":
    from llama_speech.text_states import TextStates

    llama = llama_source(bundle, source.llama)
    if not isinstance(llama, Path):
        raise BundleError(f"the Llama {llama} is not a folder: give one, or speak without the Llama")
    return TextStates.from_folder(llama)
