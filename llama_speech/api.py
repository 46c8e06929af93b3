"""`load()` and `SpeechLlama`: the Python interface."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import torch

from llama_speech.bundle import read_bundle
from llama_speech.languages import Language, require_language
from llama_speech.pipeline import PieceRecognizer, Pipeline, Progress, TranscribeOptions
from llama_speech.recordings import opener
from llama_speech.results import Transcription
from llama_speech.segments import SegmentConfig
from llama_speech.words import Decode
from speech_core.audio import AudioLimits
from speech_core.errors import BundleError, ConfigError, SpeechError
from speech_encoder.config import FeatureConfig

if TYPE_CHECKING:
    from llama_speech.chat import ChatOptions, ChatStream
    from llama_speech.loading import LoadedModel
    from llama_speech.speech import Speaker, Speech, VoiceSource
    from prosody.predictor import ProsodyOptions


class MoreOptions(TypedDict, total=False):
    """Options of `transcribe` that are seldom changed."""

    sample_rate: int  # Hz, of arrays
    vad: bool  # find the speech first (default); otherwise everything is recognized
    batch_size: int  # pieces of audio recognized together (default 8)
    mode: str  # "llama" (default), or "ctc": the draft alone, without the Llama
    allow_damaged: bool  # truncated files as far as they go
    limits: AudioLimits  # what one recording may cost, in place of allow_damaged
    segments: SegmentConfig  # where long audio is cut
    progress: Progress  # called with the seconds of audio done since the last call


@dataclass(frozen=True)
class ModelParts:
    """What a SpeechLlama is made of."""

    recognizer: PieceRecognizer
    decode: Decode  # token ids of the Llama to text
    features: FeatureConfig
    languages: tuple[str, ...]  # codes the weights were trained for; empty: any
    text_languages: tuple[str, ...] = ()  # codes the Llama writes well; empty: not known
    loaded: "LoadedModel | None" = None  # the Llama and its tokenizer, for all that is more than transcribing
    voice: "VoiceSource | None" = None  # where the voice is; it is loaded when it first speaks


class SpeechLlama:
    """A model ready to transcribe; made by `load`. It may be used again and again."""

    def __init__(self, parts: ModelParts) -> None:
        self.parts = parts
        self._speaker: Speaker | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the model was trained for."""
        return self.parts.languages

    @property
    def text_languages(self) -> tuple[str, ...]:
        """Codes of the languages the Llama writes well, as far as its bundle says; empty: not known."""
        return self.parts.text_languages

    @overload
    def transcribe(
        self,
        audio: list[Any],
        language: str = ...,
        word_timestamps: bool = ...,
        **options: Unpack[MoreOptions],
    ) -> list[Transcription]: ...

    @overload
    def transcribe(
        self, audio: Any, language: str = ..., word_timestamps: bool = ..., **options: Unpack[MoreOptions]
    ) -> Transcription: ...

    def transcribe(
        self, audio: Any, language: str = "en", word_timestamps: bool = False, **options: Unpack[MoreOptions]
    ) -> Transcription | list[Transcription]:
        """What is said in a recording; a list of recordings gives a list.

        audio: a path, bytes or binary file object of any common format, or an array (samples,) or
        (samples, channels) with `sample_rate=` its rate in Hz. language: code or English name.
        Raises InputError (AudioError for the audio itself) at the first recording that cannot be used.
        """
        several = isinstance(audio, list)
        outcomes = self.transcribe_each(audio if several else [audio], language, word_timestamps, **options)
        results = [_raised(outcome) for outcome in outcomes]
        return results if several else results[0]

    def transcribe_each(
        self,
        audios: Iterable[Any],
        language: str = "en",
        word_timestamps: bool = False,
        **options: Unpack[MoreOptions],
    ) -> Iterator[Transcription | SpeechError]:
        """Yield one outcome for each recording, in order: its transcription, or the error that prevented it.

        Recordings are opened one after the other; memory does not depend on their number or length.
        Raises InputError at once if an option cannot be used.
        """
        chosen = _chosen(require_language(language, self.languages), word_timestamps, options)
        return self._run(self.parts.recognizer, chosen, audios, options)

    @overload
    def translate(
        self,
        audio: list[Any],
        to: str,
        language: str = ...,
        method: str = ...,
        **options: Unpack[MoreOptions],
    ) -> list[Transcription]: ...

    @overload
    def translate(
        self, audio: Any, to: str, language: str = ..., method: str = ..., **options: Unpack[MoreOptions]
    ) -> Transcription: ...

    def translate(
        self,
        audio: Any,
        to: str,
        language: str = "en",
        method: str = "direct",
        **options: Unpack[MoreOptions],
    ) -> Transcription | list[Transcription]:
        """What is said in a recording, in another language; a list of recordings gives a list.

        to: code or English name of one of the 34 languages of the paper. method: "direct", the Llama hears
        the speech; "cascade", it reads a transcript of speech in `language`. The rest as in `transcribe`.
        """
        several = isinstance(audio, list)
        outcomes = self.translate_each(audio if several else [audio], to, language, method, **options)
        results = [_raised(outcome) for outcome in outcomes]
        return results if several else results[0]

    def translate_each(
        self,
        audios: Iterable[Any],
        to: str,
        language: str = "en",
        method: str = "direct",
        **options: Unpack[MoreOptions],
    ) -> Iterator[Transcription | SpeechError]:
        """Yield one outcome for each recording, in order: its translation, or the error that prevented it."""
        from llama_speech.translation import Translator, target_language

        chosen = _chosen(target_language(to), False, options)
        supported = self.languages if method == "cascade" else ()
        translator = Translator(self._loaded(), method, require_language(language, supported).name)
        return self._run(translator, chosen, audios, options)

    def _run(
        self,
        recognizer: PieceRecognizer,
        chosen: TranscribeOptions,
        audios: Iterable[Any],
        options: MoreOptions,
    ) -> Iterator[Transcription | SpeechError]:
        rate = options.get("sample_rate")
        limits = options.get("limits") or AudioLimits(allow_damaged=options.get("allow_damaged", False))
        openers = (opener(audio, rate, limits) for audio in audios)
        pipeline = Pipeline(recognizer, self.parts.decode, self.parts.features, chosen)
        return pipeline.run(openers, options.get("progress"))

    def chat(
        self, messages: Sequence[Any], options: "ChatOptions | None" = None, **changes: Any
    ) -> "ChatStream":
        """The answer to a conversation of text and speech: an iterator of TokenEvents; `.answer()` reads all.

        messages: as in the chat APIs, see llama_speech/messages.py. options, or single ones by name: see
        llama_speech.chat.ChatOptions. Raises InputError (AudioError for audio) at once.
        """
        from llama_speech.chat import Chat, chat_options

        return Chat(self._loaded(), self.languages).start(messages, chat_options(options, changes))

    def speak(self, text: str, options: "ProsodyOptions | None" = None) -> "Speech":
        """A text as sound with the times of its words. options: rate, pitch, energy, seed and more.

        Raises InputError when there is nothing to say, BundleError when the bundle has no voice.
        """
        return self.speaker.speak(text, options)

    @property
    def speaker(self) -> "Speaker":
        """The voice, loaded once: its `stream` speaks tokens while they come, its `say` pieces of text."""
        if self._speaker is None:
            from llama_speech.speech import load_speaker

            self._speaker = load_speaker(self.parts.voice)
        return self._speaker

    def _loaded(self) -> "LoadedModel":
        if self.parts.loaded is None:
            raise BundleError("this model has no Llama of its own: load it with llama_speech.load()")
        return self.parts.loaded


def _chosen(language: Language, word_timestamps: bool, options: MoreOptions) -> TranscribeOptions:
    return TranscribeOptions(
        language=language,
        word_timestamps=word_timestamps,
        vad=options.get("vad", True),
        batch_size=options.get("batch_size", 8),
        mode=options.get("mode", "llama"),
        segments=options.get("segments", SegmentConfig()),
    )


def _raised(outcome: Transcription | SpeechError) -> Transcription:
    if isinstance(outcome, SpeechError):
        raise outcome
    return outcome


def load(
    bundle: str | os.PathLike[str] | None = None,
    llama: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
) -> SpeechLlama:
    """Load a bundle and its Llama.

    bundle: folder (default: the shipped one, or $LLAMA_SPEECH_BUNDLE), also in the form of the hub.
    llama: folder, GGUF file or hub id of another Llama than the one the bundle names.
    device: auto, cpu, cuda, cuda:1, mps, or all (the Llama spread over all GPUs).
    dtype: auto, float32, bfloat16, float16.
    threads: CPU threads of the whole process.
    Raises BundleError or CheckpointError, in one line, if something is missing.
    """
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"threads is {threads}: it must be at least 1")
        torch.set_num_threads(threads)
    from llama_speech.loading import Placement, in_hub_form, load_model
    from llama_speech.speech import VoiceSource

    if bundle is not None and in_hub_form(bundle):
        from llama_speech.hub import load_hub

        return load_hub(bundle, llama, Placement(device, dtype))
    opened = read_bundle(bundle)
    model = load_model(opened, llama, Placement(device, dtype))
    parts = ModelParts(
        model.recognizer,
        model.tokenizer.decode,
        model.features,
        opened.info.languages,
        tuple(opened.info.llama.get("languages", ())) if llama is None else (),
        model,
        VoiceSource(bundle, llama),
    )
    return SpeechLlama(parts)
