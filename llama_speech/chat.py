"""`model.chat(messages)`: the frozen Llama answers conversations that mix text and speech.

Speech goes in as the adapter's embeddings (arXiv 2407.21783, section 8.2), or as its transcript. Dialogue has
no prompt of its own: without a system message the system turn is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from llama_speech.guard import Guard, Verdict
from llama_speech.languages import require_language
from llama_speech.messages import AudioPart, parse_messages
from llama_speech.recordings import opener
from llama_speech.segments import SegmentConfig, iter_pieces
from llama_speech.tools import ToolCall, check_tools, parse_tool_calls
from llama_speech.voice_activity import load_voice_activity
from speech_adapter.answer_stream import AnswerStream, StreamOptions
from speech_adapter.prompts import Speech, Turn, render
from speech_adapter.sampling import Sampling
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules
from speech_core.audio import AudioLimits
from speech_core.errors import AudioError, ConfigError, InputError
from speech_core.events import TokenEvent
from speech_core.sources import source_name

if TYPE_CHECKING:
    from torch import Tensor

    from llama_speech.loading import LoadedModel
    from speech_core.pcm import Audio
    from speech_encoder.config import FeatureConfig

SPEECH_FORMS = ("transcript", "embeds")
REFUSAL = "I'm sorry, but I can't help with that."


@dataclass(frozen=True)
class ChatOptions:
    """How a conversation is answered."""

    max_tokens: int = 256
    temperature: float = 0.0  # 0: the most likely token each time
    top_p: float = 1.0
    seed: int | None = None  # of sampling; None: another answer each time
    stop: Sequence[str] = ()  # texts that end the answer and do not belong to it
    speech: str = "transcript"  # how speech reaches the Llama: "embeds", the adapter's output; "transcript"
    language: str = "en"  # of transcripts
    vad: bool = True  # find the speech in audio first
    tools: tuple[Mapping[str, Any], ...] = ()  # functions the assistant may call
    embeddings: bool = False  # events carry the Llama's middle layer, which the voice listens to
    guard: Guard | None = None  # judges what was asked and what is answered
    refusal: str = REFUSAL  # said where the guard refuses

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens is {self.max_tokens}: it must be at least 1")
        if self.speech not in SPEECH_FORMS:
            raise ConfigError(f"speech is {self.speech!r}: use one of {', '.join(SPEECH_FORMS)}")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        object.__setattr__(self, "stop", stop)
        object.__setattr__(self, "tools", check_tools(self.tools))


def chat_options(options: ChatOptions | None, changes: Mapping[str, Any]) -> ChatOptions:
    """Options with some of them changed by name. Raises InputError for a name that is none."""
    known = [one.name for one in fields(ChatOptions)]
    for name in changes:
        if name not in known:
            raise InputError(f"{name!r} is no option of chat: use one of {', '.join(known)}")
    return replace(options or ChatOptions(), **changes)


@dataclass(frozen=True)
class ChatAnswer:
    """A whole answer. reason: end, stop, loop, length, cancelled, or guard (refused)."""

    text: str
    token_ids: tuple[int, ...]
    reason: str
    tool_calls: tuple[ToolCall, ...] = ()
    verdict: Verdict | None = None  # of the guard that refused

    def message(self) -> dict[str, Any]:
        """The answer as a message, to go on from."""
        if self.tool_calls:
            calls = [call.to_dict() for call in self.tool_calls]
            return {"role": "assistant", "content": None, "tool_calls": calls}
        return {"role": "assistant", "content": self.text}


@dataclass(frozen=True)
class _Heard:
    """Speech in both forms; each is made only where it is needed."""

    embeds: tuple[Tensor, ...] = field(default=(), repr=False)  # (positions, d_llama) each
    transcript: str = ""


class ChatStream(Iterator[TokenEvent]):
    """The events of one answer as they come; `answer()` reads the rest and puts it together.

    transcripts: of the audio parts, in order; empty where speech goes in as embeddings and no guard asks.
    """

    def __init__(
        self, model: LoadedModel, turns: Sequence[Turn], transcripts: Sequence[str], options: ChatOptions
    ) -> None:
        self.transcripts = tuple(transcripts)
        self._options = options
        self._tokenizer = model.tokenizer
        pieces = render(model.tokenizer, turns, options.tools)
        prompt = build_sequence(pieces, model.engine.embed, model.recognizer.boundaries)
        sampling = Sampling(options.temperature, options.top_p, options.seed)
        rules = StopRules(model.tokenizer.end_ids, options.max_tokens)
        how = StreamOptions(sampling, tuple(options.stop), options.embeddings)
        self._stream = AnswerStream(model.engine, model.tokenizer, prompt, rules, how)
        self._events: Iterator[TokenEvent] = self._stream
        self._said: list[TokenEvent] = []
        self._verdict: Verdict | None = None

    def __next__(self) -> TokenEvent:
        event = next(self._events)
        self._said.append(event)
        return event

    @property
    def text(self) -> str:
        """What has been given out so far."""
        return "".join(event.text for event in self._said)

    @property
    def reason(self) -> str | None:
        """Why the answer ended; None while it goes on."""
        return "guard" if self._verdict is not None else self._stream.reason

    def cancel(self) -> None:
        """End the answer before its next event; from any thread."""
        self._stream.cancel()

    def answer(self) -> ChatAnswer:
        """Read what is left; the whole answer."""
        for _ in self:
            pass
        names = [tool["function"]["name"] for tool in self._options.tools]
        calls = parse_tool_calls(self.text, names) if names else ()
        ids = tuple(event.token_id for event in self._said)
        return ChatAnswer(self.text, ids, self.reason or "end", calls, self._verdict)

    def refuse(self, verdict: Verdict) -> None:
        """Say the refusal in place of an answer."""
        self._verdict = verdict
        self._events = iter(_spoken(self._tokenizer, self._options.refusal))

    def check_before_saying(self, guard: Guard, asked: Sequence[Mapping[str, str]]) -> None:
        """Hold the whole answer back until a guard has judged it."""
        self._events = self._judged(guard, asked)

    def _judged(self, guard: Guard, asked: Sequence[Mapping[str, str]]) -> Iterator[TokenEvent]:
        events = list(self._stream)
        if self._stream.reason == "cancelled":
            return
        said = {"role": "assistant", "content": self._stream.text}
        verdict = guard([*asked, said])
        if not verdict.safe:
            self._verdict = verdict
            events = _spoken(self._tokenizer, self._options.refusal)
        yield from events


def _spoken(tokenizer: Any, text: str) -> list[TokenEvent]:
    """A fixed sentence as events, without embeddings."""
    from speech_adapter.answer_stream import TextStream

    stream = TextStream(tokenizer)
    return [TokenEvent(token_id, stream.push(token_id)) for token_id in tokenizer.encode_literal(text)]


class Chat:
    """Answers conversations with one model; holds no state of any of them."""

    def __init__(self, model: LoadedModel, languages: tuple[str, ...]) -> None:
        """languages: codes the recognizer was trained for; empty: any."""
        self._model, self._languages = model, languages

    def start(self, messages: Sequence[Any], options: ChatOptions) -> ChatStream:
        """Read the messages and their audio; the Llama runs when the first event is asked for.

        Raises InputError (AudioError for audio), naming the message.
        """
        guarded = options.guard is not None
        language = require_language(options.language, self._languages).name
        turns, asked, transcripts = list[Turn](), list[dict[str, str]](), list[str]()
        for message in parse_messages(messages):
            parts, text = list[str | Speech](), ""
            for part in message.parts:
                if isinstance(part, str):
                    parts.append(part)
                    text += part
                    continue
                heard = self._hear(part, options, language, guarded)
                parts += _inserted(parts, heard, options.speech)
                text += heard.transcript
                if options.speech == "transcript" or guarded:
                    transcripts.append(heard.transcript)
            turns.append(Turn(message.role, tuple(parts), message.calls))
            asked.append({"role": message.role, "content": text})
        stream = ChatStream(self._model, turns, transcripts, options)
        if options.guard is not None:
            verdict = options.guard(asked)
            if verdict.safe:
                stream.check_before_saying(options.guard, asked)
            else:
                stream.refuse(verdict)
        return stream

    def _hear(self, part: AudioPart, options: ChatOptions, language: str, guarded: bool) -> _Heard:
        """Speech as embeddings, transcript, or both. Raises AudioError if nobody speaks."""
        features = speech_features(part, self._model.features, options.vad)
        recognizer = self._model.recognizer
        embeds, transcript = tuple[Any, ...](), ""
        if options.speech == "embeds":
            embeds = tuple(heard.speech for heard in recognizer.listen(features))
        if options.speech == "transcript" or guarded:
            transcript = " ".join(one.text for one in recognizer.transcribe(features, language) if one.text)
        return _Heard(embeds, transcript)


def speech_features(part: AudioPart, config: FeatureConfig, vad: bool = True) -> list[Tensor]:
    """Log-mel (frames, mels) of each piece of speech in a part. Raises AudioError if nobody speaks."""
    import torch

    from speech_encoder.features import log_mel

    pieces = read_speech(part, vad)
    features = [log_mel(torch.from_numpy(piece), config) for piece in pieces]
    features = [one for one in features if len(one)]
    if not features:
        raise AudioError(f"{part.where}: no speech found in its audio")
    return features


def read_speech(part: AudioPart, vad: bool = True) -> list[Audio]:
    """Each piece of speech in a part, at 16 kHz. Raises AudioError if it cannot be read, or nobody speaks."""
    voice = load_voice_activity() if vad else None
    try:
        blocks = opener(part.audio, part.sample_rate, AudioLimits())()
        pieces = [piece.audio for piece in iter_pieces(blocks, SegmentConfig(), voice)]
    except AudioError as error:
        reason = str(error).removeprefix(f"{source_name(part.audio)}: ")
        raise AudioError(f"{part.where}: {reason}") from None
    if not pieces:
        raise AudioError(f"{part.where}: no speech found in its audio")
    return pieces


def _inserted(before: Sequence[str | Speech], heard: _Heard, form: str) -> list[str | Speech]:
    """What stands for speech in a turn; a transcript is set off from text before it."""
    if form == "embeds":
        return [Speech(embeds) for embeds in heard.embeds]
    last = before[-1] if before else ""
    space = " " if isinstance(last, str) and last and not last[-1].isspace() else ""
    return [space + heard.transcript]
