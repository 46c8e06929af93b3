"""Text normalization with all that a bundle offers for it: the rules, the trained tagger, the Llama's states.

Nothing heavy is loaded before it is needed: the rules alone need neither numpy nor torch, the tagger alone
needs no torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from speech_core.events import TokenEvent
from tts_frontend.config import NormalizerConfig
from tts_frontend.normalizer import tagged_rules
from tts_frontend.normalizer_rules import Spoken, spoken_text

if TYPE_CHECKING:
    from llama_speech.text_states import TextStates
    from tts_frontend.tagger import Tagger

COMPONENT = "text_normalizer"


class StateSource(Protocol):
    """What gives token events with the Llama's states for text, as `TextStates` does."""

    def events(self, text: str) -> list[TokenEvent]:
        """Tokens of `text`; their texts joined are `text`."""


@dataclass(frozen=True)
class Chooser:
    """What chooses among the readings: nothing but the rules, the tagger, or the tagger with a Llama."""

    tagger: Tagger | None = None
    states: StateSource | None = None


RULES_ALONE = Chooser()


def load_tagger(bundle: str | os.PathLike[str] | None = None) -> Tagger:
    """The tagger of a bundle, by default the shipped one. Raises BundleError where there is none."""
    from llama_speech.bundle import read_bundle
    from tts_frontend.tagger import Tagger

    return Tagger.load(read_bundle(bundle, verify=False).component(COMPONENT))


def load_chooser(
    bundle: str | os.PathLike[str] | None = None,
    llama: str | os.PathLike[str] | None = None,
    with_llama: bool = True,
) -> Chooser:
    """The tagger of a bundle with its Llama, or without.

    Raises BundleError, CheckpointError or ConfigError.
    """
    tagger = load_tagger(bundle)
    if not with_llama or not tagger.config.d_llama:
        return Chooser(tagger)
    from llama_speech.bundle import read_bundle
    from llama_speech.loading import llama_source

    source = llama_source(read_bundle(bundle, verify=False), llama)
    return Chooser(tagger, states_of(Path(source), tagger))


def states_of(llama: Path, tagger: Tagger) -> TextStates:
    """States of the Llama in a folder. Raises ConfigError when the tagger was trained for another width."""
    from llama_speech.text_states import TextStates
    from speech_core.errors import ConfigError

    states = TextStates.from_folder(llama)
    if states.engine.d_model != tagger.config.d_llama:
        raise ConfigError(
            f"the tagger was trained for a Llama of width {tagger.config.d_llama}, {llama} has "
            f"{states.engine.d_model}: use --no-llama, or the Llama of the bundle"
        )
    return states


class TextReader:
    """Stream of plain text to what is said for it; each piece pushed is run through the Llama by itself."""

    def __init__(
        self, config: NormalizerConfig, chooser: Chooser = RULES_ALONE, explain: bool = False
    ) -> None:
        self._rules, self.tagging = tagged_rules(config, chooser.tagger, explain)
        self._states = chooser.states
        self._end = 0

    def push(self, text: str) -> list[Spoken]:
        """What is now certain to be said. Raises StreamClosedError after `flush`."""
        if self._states is None or self.tagging is None or not text:
            return self._rules.push(text)
        out: list[Spoken] = []
        for event in self._states.events(text):
            self._end += len(event.text)
            if event.embedding is not None:
                self.tagging.add_state(self._end, event.embedding)
            out += self._rules.push(event.text)
        return out

    def flush(self) -> list[Spoken]:
        """The rest; afterwards the stream is closed."""
        return self._rules.flush()


def normalize(text: str, config: NormalizerConfig | None = None, chooser: Chooser = RULES_ALONE) -> str:
    """The spoken form of `text`.

    >>> normalize("It cost $5.")
    'It cost five dollars.'
    """
    reader = TextReader(config or NormalizerConfig(), chooser)
    return spoken_text(reader.push(text) + reader.flush())
