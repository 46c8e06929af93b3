"""What an engine makes of one answer, piece by piece: text, sound, calls of functions, and the end."""

from dataclasses import dataclass, field
from typing import Any

from llama_speech.service.endpoints.protocol import JsonObject
from speech_core.pcm import Audio


@dataclass(frozen=True)
class Said:
    """Text the model added."""

    text: str


@dataclass(frozen=True)
class SpokenMark:
    """A word in the sound: its samples, and where it ends in the text of the answer."""

    start_sample: int
    end_sample: int
    end_char: int


@dataclass(frozen=True)
class Sound:
    """Sound that follows what came before: (samples,) float32; words that begin in it."""

    audio: Audio = field(repr=False)
    sample_rate: int
    words: tuple[SpokenMark, ...] = ()

    @property
    def duration_ms(self) -> float:
        """Length of the sound."""
        return self.audio.size * 1000 / self.sample_rate


@dataclass(frozen=True)
class Called:
    """The model calls a function; arguments are JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Finished:
    """The end. reason: "end", or "length" when the limit of tokens cut it."""

    reason: str = "end"
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Failed:
    """The engine could not go on."""

    message: str
    code: str = "inference_error"


Product = Said | Sound | Called | Finished | Failed


def usage(end: Finished) -> JsonObject:
    """Tokens of the Llama; sound is not counted apart, since every token is also text."""
    no_cache: dict[str, Any] = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": end.input_tokens + end.output_tokens,
        "input_tokens": end.input_tokens,
        "output_tokens": end.output_tokens,
        "input_token_details": {
            "text_tokens": end.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": no_cache,
        },
        "output_token_details": {"text_tokens": end.output_tokens, "audio_tokens": 0},
    }
