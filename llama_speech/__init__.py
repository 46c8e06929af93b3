"""Speech for a frozen Llama: `model = llama_speech.load()`, then `model.transcribe("a.wav")`.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama, load
    from llama_speech.chat import ChatAnswer, ChatOptions, ChatStream
    from llama_speech.guard import LlamaGuard, Verdict
    from llama_speech.results import Segment, Transcription, Word
    from speech_core.errors import AudioError, BundleError, InputError, SpeechError

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "BundleError",
    "ChatAnswer",
    "ChatOptions",
    "ChatStream",
    "InputError",
    "LlamaGuard",
    "Segment",
    "SpeechError",
    "SpeechLlama",
    "Transcription",
    "Verdict",
    "Word",
    "__version__",
    "load",
]

_HOMES = {
    "SpeechLlama": "llama_speech.api",
    "load": "llama_speech.api",
    "ChatAnswer": "llama_speech.chat",
    "ChatOptions": "llama_speech.chat",
    "ChatStream": "llama_speech.chat",
    "LlamaGuard": "llama_speech.guard",
    "Verdict": "llama_speech.guard",
    "Segment": "llama_speech.results",
    "Transcription": "llama_speech.results",
    "Word": "llama_speech.results",
    "AudioError": "speech_core.errors",
    "BundleError": "speech_core.errors",
    "InputError": "speech_core.errors",
    "SpeechError": "speech_core.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
