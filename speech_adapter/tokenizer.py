"""The Llama's tokenizer and chat template, without transformers: ids, text and rendered conversations.

A folder in the usual layout holds `tokenizer.json` and the template (`chat_template.jinja`, or a field of
`tokenizer_config.json`). The `tokenizers` library alone reads it in a fraction of a second, so that a short
clip is transcribed without waiting for an import of transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from speech_core.errors import CheckpointError, ConfigError

CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Message = Mapping[str, Any]  # role, content, and what else the template knows, such as tool_calls
Tool = Mapping[str, Any]  # JSON schema of a function, as the chat APIs write it


@dataclass(frozen=True)
class SpecialTokens:
    """Names of the special tokens a chat template may print, and the ids that end a turn."""

    end_ids: frozenset[int]
    pad_id: int
    names: Mapping[str, str] = field(default_factory=dict)  # bos_token, eos_token, ...


class ChatTokenizer:
    """Text to token ids and back, and conversations to text, for one Llama."""

    def __init__(self, backend: Any, template: str, special: SpecialTokens) -> None:
        """backend: a `tokenizers.Tokenizer`; template: the model's chat template (Jinja source)."""
        self._backend = backend
        self._template_source = template
        self._special = special

    @classmethod
    def from_folder(cls, folder: Path) -> ChatTokenizer:
        """Tokenizer of a Llama folder; raises CheckpointError without tokenizer.json or chat template."""
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(
                f"{folder} has no tokenizer.json: give a folder of a Llama with its tokenizer"
            )
        backend = Tokenizer.from_file(str(path))
        config = _read_json(folder / "tokenizer_config.json")
        template = _read_template(folder, config)
        names = {key: _token_text(value) for key, value in config.items() if key.endswith("_token") and value}
        return cls(
            backend, template, _special_tokens(backend, names, _read_json(folder / "generation_config.json"))
        )

    @property
    def end_ids(self) -> frozenset[int]:
        """Ids that end the assistant's turn."""
        return self._special.end_ids

    @property
    def pad_id(self) -> int:
        """Id used to fill up batches; what it stands for never matters, since it is masked."""
        return self._special.pad_id

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    @cached_property
    def special_texts(self) -> tuple[str, ...]:
        """How the control tokens are written: in the text of a user they must not become control tokens."""
        return tuple(
            token.content for token in self._backend.get_added_tokens_decoder().values() if token.special
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text: written control tokens become control tokens; nothing is added."""
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def encode_literal(self, text: str) -> list[int]:
        """Token ids of text as typed: a written control token stays ordinary characters."""
        if not any(token in text for token in self.special_texts):
            return self.encode(text)
        return list(self._literal_backend.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _literal_backend(self) -> Any:
        """A copy that knows no control tokens: a switch on the one backend would be seen by other threads."""
        backend = type(self._backend).from_str(self._backend.to_str())
        backend.encode_special_tokens = True
        return backend

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of token ids without control tokens; an unfinished character shows as U+FFFD."""
        return str(self._backend.decode(list(token_ids), skip_special_tokens=True))

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """How the vocabulary writes each token (byte-level: a letter a byte); nothing for unknown ids."""
        return [self._backend.id_to_token(token_id) or "" for token_id in token_ids]

    def render(
        self, messages: Sequence[Message], add_generation_prompt: bool = True, tools: Sequence[Tool] = ()
    ) -> str:
        """The conversation as text, by the model's own chat template.

        Raises ConfigError if the template refuses the conversation.
        """
        from jinja2 import TemplateError

        try:
            return str(
                self._template.render(
                    messages=list(messages),
                    tools=list(tools) or None,
                    add_generation_prompt=add_generation_prompt,
                    **self._special.names,
                )
            )
        except TemplateError as error:
            raise ConfigError(f"the chat template of this Llama refuses the conversation: {error}") from error

    @cached_property
    def _template(self) -> Any:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        environment.filters["tojson"] = _plain_json  # Jinja's own escapes letters as HTML needs it
        return environment.from_string(self._template_source)


def _plain_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _read_template(folder: Path, config: Mapping[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, str):
        return template
    raise CheckpointError(f"{folder} has no chat template: use an instruction-tuned Llama")


def _token_text(value: Any) -> str:
    return str(value["content"]) if isinstance(value, dict) else str(value)


def _special_tokens(backend: Any, names: Mapping[str, str], generation: Mapping[str, Any]) -> SpecialTokens:
    """End-of-turn ids: those of the generation settings, and the tokenizer's own end token."""
    listed = generation.get("eos_token_id", [])
    end_ids = set(listed) if isinstance(listed, list) else {int(listed)}
    end = backend.token_to_id(names.get("eos_token", ""))
    if end is not None:
        end_ids.add(int(end))
    if not end_ids:
        raise CheckpointError("the Llama names no end-of-turn token: generation would never stop")
    pad = backend.token_to_id(names.get("pad_token", ""))
    return SpecialTokens(frozenset(end_ids), int(pad) if pad is not None else min(end_ids), dict(names))
