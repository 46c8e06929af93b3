"""Task prompts and conversations: what the Llama is told around the speech.

Prompts as in arXiv 2407.21783, section 8.2: recognition and translation by a system prompt that names only
the target language, dialogue without one. Conversations are rendered by the chat template of the Llama at
hand. Where the paper has no system prompt an empty system turn is written all the same: some templates
would insert one of their own. Speech stands in a turn like text; rendering leaves a piece of its own for
it, between two pieces of token ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from speech_adapter.tokenizer import ChatTokenizer, Tool
from speech_core.errors import ConfigError, InputError
from speech_core.languages import LANGUAGE_NAMES

# The 34 languages of section 8.1, by code and as the prompts name them.
PAPER_LANGUAGES = {
    code: LANGUAGE_NAMES[code]
    for code in (
        "ar", "bn", "zh", "cs", "nl", "en", "fi", "fr", "de", "el", "gu", "hi", "hu", "id", "it", "ja", "kn",
        "ko", "ml", "mr", "fa", "pl", "pt", "ro", "ru", "es", "sw", "sv", "ta", "te", "th", "tr", "ur", "vi",
    )
}  # fmt: skip
ROLES = ("system", "user", "assistant", "tool")
# Stands for a part while the template runs: private-use characters, which no template changes.
_MARK = "\ue000{number}\ue001"
_MARKS = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True)
class Speech:
    """Speech embeddings (positions, d_llama), without the two boundary embeddings around them."""

    embeds: Tensor


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation: text and speech parts in order."""

    role: str  # system, user, assistant, or tool (what a function gave back)
    parts: tuple[str | Speech, ...]
    calls: tuple[
        Mapping[str, Any], ...
    ] = ()  # of an assistant: {"name", "arguments"} of each function called

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"role is {self.role!r}: use one of {', '.join(ROLES)}")


Piece = list[int] | Speech  # token ids, or speech that stands between them


def language_name(language: str) -> str:
    """English name of a language of the paper, from its code or name. Raises InputError if it is neither."""
    names = {name.casefold(): name for name in PAPER_LANGUAGES.values()}
    word = language.strip().casefold()
    name = PAPER_LANGUAGES.get(word) or names.get(word)
    if name is None:
        raise InputError(f"language {language!r} is not one of the {len(PAPER_LANGUAGES)} of the prompts")
    return name


def recognition_prompt(language: str) -> str:
    """System prompt that asks for the words spoken (section 8.2)."""
    return f"Repeat after me in {language_name(language)}:"


def translation_prompt(language: str) -> str:
    """System prompt that asks for a translation into `language` (section 8.2)."""
    return f"Translate the following sentence into {language_name(language)}:"


def recognition_turns(speech: Speech, language: str) -> list[Turn]:
    """The conversation of a transcription."""
    return [Turn("system", (recognition_prompt(language),)), Turn("user", (speech,))]


def translation_turns(speech: Speech, language: str) -> list[Turn]:
    """The conversation of a translation into `language`."""
    return [Turn("system", (translation_prompt(language),)), Turn("user", (speech,))]


def render(tokenizer: ChatTokenizer, turns: Sequence[Turn], tools: Sequence[Tool] = ()) -> list[Piece]:
    """Pieces of a conversation up to where the assistant answers; speech parts come out as they went in.

    Control tokens written in a turn's text stay plain text. tools: functions the assistant may call, as the
    chat APIs write them. Raises InputError for an empty conversation, ConfigError if the chat template
    refuses it or knows no tools.
    """
    if not turns:
        raise InputError("the conversation is empty: give at least one turn")
    parts = _Parts(tokenizer)
    messages = [_message(turn, parts) for turn in turns]
    text = _render_with_system(tokenizer, messages, tools)
    if tools and text == _render_with_system(tokenizer, messages, ()):
        raise ConfigError("the chat template of this Llama knows no tools: use Llama 3.1 or newer for them")
    return _split(tokenizer, text, parts.found)


def end_of_turn_id(tokenizer: ChatTokenizer) -> int:
    """The token that the chat template writes after an answer. Raises ConfigError if it ends no turn."""
    mark = _MARK.format(number=0)
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    tail = tokenizer.render(messages, add_generation_prompt=False).split(mark)[1]
    ids = tokenizer.encode(tail)
    if not ids or ids[0] not in tokenizer.end_ids:
        raise ConfigError(f"the chat template ends an answer with {tail!r}, which is no end-of-turn token")
    return ids[0]


class _Parts:
    """Takes speech, and text that must not become control tokens, out of messages; marks stand for them."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        unsafe = "|".join(re.escape(token) for token in (*tokenizer.special_texts, "\ue000", "\ue001"))
        self._unsafe = re.compile(f"({unsafe})")
        self.found: list[str | Speech] = []

    def marked(self, value: Any) -> Any:
        """The same value with marks; strings within lists and dictionaries too."""
        if isinstance(value, Speech):
            return self._mark(value)
        if isinstance(value, str):
            pieces = self._unsafe.split(value)
            return "".join(self._mark(piece) if place % 2 else piece for place, piece in enumerate(pieces))
        if isinstance(value, Mapping):
            return {self.marked(key): self.marked(inner) for key, inner in value.items()}
        return [self.marked(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _mark(self, part: str | Speech) -> str:
        self.found.append(part)
        return _MARK.format(number=len(self.found) - 1)


def _message(turn: Turn, parts: _Parts) -> dict[str, Any]:
    """A turn as the chat templates take it."""
    message: dict[str, Any] = {"role": turn.role, "content": "".join(parts.marked(list(turn.parts)))}
    if turn.calls:
        message["tool_calls"] = [{"type": "function", "function": parts.marked(call)} for call in turn.calls]
    return message


def _render_with_system(
    tokenizer: ChatTokenizer, messages: list[dict[str, Any]], tools: Sequence[Tool]
) -> str:
    """Render with an explicit system turn; without one only for a template that knows no system turns."""
    if messages[0]["role"] == "system":
        return tokenizer.render(messages, tools=tools)
    try:
        return tokenizer.render([{"role": "system", "content": ""}, *messages], tools=tools)
    except ConfigError:
        return tokenizer.render(messages, tools=tools)


def _split(tokenizer: ChatTokenizer, text: str, parts: list[str | Speech]) -> list[Piece]:
    """Cut rendered text at its marks; neighbouring token ids become one piece."""
    pieces: list[Piece] = []
    for number, chunk in enumerate(_MARKS.split(text)):
        part = parts[int(chunk)] if number % 2 else None
        if isinstance(part, Speech):
            pieces.append(part)
            continue
        ids = tokenizer.encode(chunk) if part is None else tokenizer.encode_literal(part)
        last = pieces[-1] if pieces else None
        if isinstance(last, list):
            last.extend(ids)
        elif ids:
            pieces.append(ids)
    return pieces
