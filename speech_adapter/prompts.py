"""Task prompts and conversations: what the Llama is told around the speech.

Prompts as in arXiv 2407.21783, section 8.2: recognition and translation by a system prompt that names only
the target language, dialogue without one. Conversations are rendered by the chat template of the Llama at
hand. Where the paper has no system prompt an empty system turn is written all the same: some templates
would insert one of their own. Speech stands in a turn like text; rendering leaves a piece of its own for
it, between two pieces of token ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import ConfigError, InputError

# The 34 languages of section 8.1, by code and as the prompts name them.
PAPER_LANGUAGES = {
    "ar": "Arabic", "bn": "Bengali", "zh": "Chinese", "cs": "Czech", "nl": "Dutch", "en": "English",
    "fi": "Finnish", "fr": "French", "de": "German", "el": "Greek", "gu": "Gujarati", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kn": "Kannada",
    "ko": "Korean", "ml": "Malayalam", "mr": "Marathi", "fa": "Persian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "es": "Spanish", "sw": "Swahili",
    "sv": "Swedish", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "ur": "Urdu",
    "vi": "Vietnamese",
}  # fmt: skip
ROLES = ("system", "user", "assistant")
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

    role: str  # system, user or assistant
    parts: tuple[str | Speech, ...]

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


def render(tokenizer: ChatTokenizer, turns: Sequence[Turn]) -> list[Piece]:
    """Pieces of a conversation up to where the assistant answers; speech parts come out as they went in.

    Control tokens written in a turn's text stay plain text. Raises InputError for an empty conversation,
    ConfigError if the chat template refuses it.
    """
    if not turns:
        raise InputError("the conversation is empty: give at least one turn")
    parts: list[str | Speech] = []
    messages = [{"role": turn.role, "content": _content(tokenizer, turn, parts)} for turn in turns]
    text = _render_with_system(tokenizer, messages)
    return _split(tokenizer, text, parts)


def end_of_turn_id(tokenizer: ChatTokenizer) -> int:
    """The token that the chat template writes after an answer. Raises ConfigError if it ends no turn."""
    mark = _MARK.format(number=0)
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    tail = tokenizer.render(messages, add_generation_prompt=False).split(mark)[1]
    ids = tokenizer.encode(tail)
    if not ids or ids[0] not in tokenizer.end_ids:
        raise ConfigError(f"the chat template ends an answer with {tail!r}, which is no end-of-turn token")
    return ids[0]


def _content(tokenizer: ChatTokenizer, turn: Turn, parts: list[str | Speech]) -> str:
    """Text of a turn, with marks for speech and for text that must not be read as control tokens."""
    content = ""
    for part in turn.parts:
        if isinstance(part, str) and not _needs_mark(tokenizer, part):
            content += part
            continue
        content += _MARK.format(number=len(parts))
        parts.append(part)
    return content


def _needs_mark(tokenizer: ChatTokenizer, text: str) -> bool:
    return "\ue000" in text or any(token in text for token in tokenizer.special_texts)


def _render_with_system(tokenizer: ChatTokenizer, messages: list[dict[str, str]]) -> str:
    """Render with an explicit system turn; without one only for a template that knows no system turns."""
    if messages[0]["role"] == "system":
        return tokenizer.render(messages)
    try:
        return tokenizer.render([{"role": "system", "content": ""}, *messages])
    except ConfigError:
        return tokenizer.render(messages)


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
