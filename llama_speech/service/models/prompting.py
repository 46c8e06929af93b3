"""The context of an answer as token ids: chat template, functions, and what is left out if it is too long."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from llama_speech.service.conversation.outbox import Message, StartReply
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.tools import check_tools
from speech_adapter.prompts import Speech, Turn, render
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import ConfigError, InputError

# How Llama 3.1 and later are told of functions in the system turn (Meta's documentation of prompt formats,
# "JSON based tool calling"); for templates that know no functions themselves.
_TOOLS_TEXT = (
    "You have access to the following functions. To call a function, respond only with JSON of the form "
    '{{"name": function name, "parameters": dictionary of argument names and values}}. '
    "Otherwise answer in words.\n\n{tools}"
)


_BOUNDARY_IDS = (-1, -2)  # stand for the embeddings before and after speech
_speech_ids = itertools.count(3)


@dataclass(frozen=True, eq=False)
class HeardSpeech(Speech):
    """Speech as the Llama takes it; each of its positions has an id below 0 that no other speech has."""

    ids: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(-next(_speech_ids) for _ in range(len(self.embeds))))


@dataclass(frozen=True)
class Prompt:
    """Token ids of a context, and how the answer must begin (the opening of a forced call, or nothing).

    Ids below 0 stand for embeddings (d_llama,), which `speech` holds.
    """

    token_ids: list[int]
    opening: str = ""
    speech: Mapping[int, Tensor] = field(default_factory=dict)


def build_prompt(
    tokenizer: ChatTokenizer, reply: StartReply, max_tokens: int, boundaries: Tensor | None = None
) -> Prompt:
    """The prompt of an answer, at most `max_tokens` long: the oldest messages are left out if need be.

    boundaries (2, d_llama): the embeddings before and after speech, where messages hold some.
    Raises InputError if it does not fit and nothing may be left out, or not even the last message fits.
    """
    tools = check_tools([_nested(tool) for tool in reply.tools])
    system = [message for message in reply.messages[:1] if message.role == "system"]
    rest = list(reply.messages[len(system) :])
    while True:
        token_ids = _token_ids(tokenizer, [*system, *rest], tools)
        if len(token_ids) <= max_tokens:
            return Prompt(token_ids, opening(reply, tools), _speech_of(rest, boundaries))
        if not reply.drop_oldest or len(rest) <= 1:
            raise InputError(
                f"the conversation has {len(token_ids)} tokens, {max_tokens} are allowed: shorten it"
            )
        rest = rest[max(1, len(rest) // 8) :]
        while len(rest) > 1 and rest[0].role == "tool":  # a result without its call
            rest = rest[1:]


def opening(reply: StartReply, tools: Sequence[JsonObject]) -> str:
    """How an answer that must call a function begins."""
    names = [tool["function"]["name"] for tool in tools]
    if reply.tool_choice in names:
        return f'{{"name": "{reply.tool_choice}", "parameters": {{'
    return '{"name": "' if reply.tool_choice == "required" and names else ""


def _token_ids(
    tokenizer: ChatTokenizer, messages: Sequence[Message], tools: Sequence[JsonObject]
) -> list[int]:
    turns = [_turn(message) for message in messages] or [Turn("user", ("",))]
    if (tools or any(turn.calls or turn.role == "tool" for turn in turns)) and not _knows_functions(
        tokenizer
    ):
        turns, tools = _plain(turns, tools), ()
    ids: list[int] = []
    for piece in render(tokenizer, turns, tools):
        if isinstance(piece, HeardSpeech):
            ids += [_BOUNDARY_IDS[0], *piece.ids, _BOUNDARY_IDS[1]]
        elif isinstance(piece, list):
            ids += piece
    return ids


def _speech_of(messages: Sequence[Message], boundaries: Tensor | None) -> dict[int, Tensor]:
    """The embeddings of all speech in messages, by their ids."""
    spoken = [one for message in messages for one in message.speech if isinstance(one, HeardSpeech)]
    if not spoken or boundaries is None:
        return {}
    found = dict(zip(_BOUNDARY_IDS, boundaries, strict=True))
    for one in spoken:
        found.update(zip(one.ids, one.embeds, strict=True))
    return found


def _knows_functions(tokenizer: ChatTokenizer) -> bool:
    """Whether the chat template shows the calls of an assistant."""
    call = {"type": "function", "function": {"name": "probe_name", "arguments": {}}}
    messages: list[JsonObject] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    try:
        return "probe_name" in tokenizer.render(messages)
    except ConfigError:
        return False


def _turn(message: Message) -> Turn:
    calls = tuple({"name": name, "arguments": _arguments(text)} for name, text in message.calls)
    return Turn(message.role, message.speech or (message.text,), calls)


def _arguments(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _plain(turns: Sequence[Turn], tools: Sequence[JsonObject]) -> list[Turn]:
    """The same conversation for a template that knows neither functions nor their results."""
    told = (
        _TOOLS_TEXT.format(tools="\n\n".join(json.dumps(tool["function"]) for tool in tools)) if tools else ""
    )
    plain: list[Turn] = []
    for turn in turns:
        if turn.role == "tool":
            plain.append(Turn("user", ("The function returned: ", *turn.parts)))
        elif turn.calls:
            text = "\n".join(
                json.dumps({"name": call["name"], "parameters": call["arguments"]}) for call in turn.calls
            )
            plain.append(Turn("assistant", (text,)))
        else:
            plain.append(turn)
    if not told:
        return plain
    if plain[0].role == "system":
        return [Turn("system", (*plain[0].parts, "\n\n", told)), *plain[1:]]
    return [Turn("system", (told,)), *plain]


def _nested(tool: JsonObject) -> JsonObject:
    """Functions travel flat and are told to templates nested."""
    function = {
        name: tool[name] for name in ("name", "description", "parameters") if tool.get(name) is not None
    }
    return {"type": "function", "function": function}
