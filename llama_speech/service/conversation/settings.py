"""The session object: what a client may set, how updates merge, what is echoed.

Only fields that are present change; objects merge, lists and plain values are replaced, null turns things
off. An update that is refused changes nothing. Names of the beta protocol are accepted beside the current
ones.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llama_speech.service.endpoints.protocol import JsonObject, validation_fault
from speech_core.errors import ProtocolError

MAX_TOOLS = 128
_OUTPUT_ONLY = ("id", "object", "expires_at", "client_secret")
_BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_PLACES = {  # beta name -> path of the current one
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "max_response_output_tokens": ("max_output_tokens",),
    "modalities": ("output_modalities",),
}
_VAD_DEFAULT = {"type": "server_vad"}


class _Part(BaseModel):
    """Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PcmFormat(_Part):
    """16-bit PCM."""

    type: Literal["audio/pcm"]
    rate: Literal[24000] = 24000


class G711Format(_Part):
    """G.711 at 8 kHz."""

    type: Literal["audio/pcmu", "audio/pcma"]


AudioFormat = Annotated[PcmFormat | G711Format, Field(discriminator="type")]


class ServerVad(_Part):
    """The turn ends with a silence of fixed length."""

    type: Literal["server_vad"]
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=5000)
    silence_duration_ms: int = Field(default=500, ge=0, le=10_000)
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30_000)
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(_Part):
    """The turn ends when the words sound finished, after `eagerness` at the latest."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True

    @property
    def longest_wait_ms(self) -> int:
        """Silence that ends a turn whatever was said."""
        return {"low": 8000, "high": 2000}.get(self.eagerness, 4000)


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class NoiseReduction(_Part):
    """Accepted and echoed; the recognizer was trained on noise and takes none away."""

    type: Literal["near_field", "far_field"]


class InputTranscription(_Part):
    """Whether the client wants to read what the user said."""

    model: str | None = None
    language: str | None = Field(default=None, max_length=32)
    prompt: str | None = Field(default=None, max_length=8192)


class AudioInput(_Part):
    """What the client sends."""

    format: AudioFormat = PcmFormat(type="audio/pcm")
    noise_reduction: NoiseReduction | None = None
    transcription: InputTranscription | None = None
    turn_detection: TurnDetection | None = ServerVad(type="server_vad")


def _voice_name(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


class AudioOutput(_Part):
    """What the client receives."""

    format: AudioFormat = PcmFormat(type="audio/pcm")
    voice: Annotated[str, BeforeValidator(_voice_name), Field(max_length=64)] = "default"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)


class Audio(_Part):
    """Both directions."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class FunctionTool(_Part):
    """A function of the client that the model may call."""

    type: Literal["function"]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: JsonObject | None = None


class ChosenFunction(_Part):
    """A function the model must call."""

    type: Literal["function"]
    name: str


class RetentionRatio(_Part):
    """How much of a full context is kept."""

    type: Literal["retention_ratio"]
    retention_ratio: float = Field(ge=0, le=1)
    token_limits: JsonObject | None = None


def _one_modality(value: Any) -> Any:
    """Both at once, as the beta had it, means audio, which always comes with its transcript."""
    return ["audio"] if value in (["audio", "text"], ["text", "audio"]) else value


class Settings(_Part):
    """The effective settings of a session."""

    type: Literal["realtime", "transcription"] = "realtime"
    model: str = "llama-speech"
    output_modalities: Annotated[
        list[Literal["audio", "text"]], BeforeValidator(_one_modality), Field(min_length=1, max_length=1)
    ] = ["audio"]
    instructions: str = Field(default="", max_length=65_536)
    audio: Audio = Audio()
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] = []
    tool_choice: Literal["auto", "none", "required"] | ChosenFunction = "auto"
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] = "inf"
    truncation: Literal["auto", "disabled"] | RetentionRatio = "auto"
    prompt: None = None
    tracing: Literal["auto"] | JsonObject | None = None
    include: list[str] | None = None
    answer_from: Literal["transcript", "speech"] | None = None  # ours; None: as the server is set

    @property
    def speaks(self) -> bool:
        """Whether answers are sound."""
        return self.output_modalities == ["audio"]

    def echo(self, session_id: str, expires_at: int) -> JsonObject:
        """The session object of server events."""
        names = {"id": session_id, "expires_at": expires_at}
        if self.type == "transcription":
            shown = self.model_dump(include={"type": True, "audio": {"input"}, "include": True})
            return {"object": "realtime.transcription_session", **names, **_tidy(shown)}
        unset = {name for name in ("parallel_tool_calls", "answer_from") if getattr(self, name) is None}
        shown = self.model_dump(exclude=unset)
        return {"object": "realtime.session", **names, **_tidy(shown)}


def merged(settings: Settings, update: JsonObject, param: str = "session") -> Settings:
    """The settings after an update. Raises ProtocolError, its param a path from `param`."""
    update = from_beta(update)
    _refuse_other_tools(update, param)
    base = settings.model_dump()
    detection = _inside(update, "audio", "input", "turn_detection")
    if isinstance(detection, dict):
        heard = base["audio"]["input"]
        current = heard["turn_detection"] or _VAD_DEFAULT
        heard["turn_detection"] = current if detection.get("type", current["type"]) == current["type"] else {}
    try:
        return Settings.model_validate(deep_merged(base, update))
    except ValidationError as error:
        raise validation_fault(error, param) from None


def deep_merged(base: JsonObject, update: Mapping[str, Any]) -> JsonObject:
    """A copy of `base` in which objects of `update` are merged and all else is replaced."""
    result = dict(base)
    for name, value in update.items():
        old = result.get(name)
        result[name] = deep_merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def from_beta(update: Mapping[str, Any]) -> JsonObject:
    """An update with the names of the beta protocol replaced; current names win."""
    current = {
        name: value for name, value in update.items() if name not in _BETA_PLACES and name not in _OUTPUT_ONLY
    }
    translated: JsonObject = {}
    for name, path in _BETA_PLACES.items():
        if name in update:
            value = update[name]
            if name.endswith("audio_format") and isinstance(value, str):
                value = {"type": _BETA_FORMATS.get(value, value)}
            _put(translated, path, value)
    return deep_merged(translated, current)


def _put(target: JsonObject, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def _inside(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _refuse_other_tools(update: JsonObject, param: str) -> None:
    """Tools of other kinds run on servers this one does not talk to."""
    tools = update.get("tools")
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict) and tool.get("type") not in (None, "function"):
            place = f"{param}.tools.{number}.type"
            raise ProtocolError(
                f"tools of type {str(tool['type'])[:40]!r} are not supported: send functions",
                "unsupported_parameter",
                place,
            )


def _tidy(shown: JsonObject) -> JsonObject:
    """Without optional strings that are not set: strict clients refuse null there."""
    tools = shown.get("tools")
    if tools:
        shown["tools"] = [_without_nulls(tool) for tool in tools]
    transcription = shown["audio"]["input"]["transcription"]
    if transcription is not None:
        shown["audio"]["input"]["transcription"] = _without_nulls(transcription)
    return shown


def _without_nulls(value: JsonObject) -> JsonObject:
    return {name: inner for name, inner in value.items() if inner is not None}
