"""Command lines made from frozen dataclasses: one option for each field, hyphens or underscores.

Nested dataclasses are flattened; a list field takes several values, and may be given again for more. Options
are declared once, in their dataclass, with the help text in the field's metadata.
"""

import argparse
import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from speech_core.errors import ConfigError, InputError

Options = TypeVar("Options")


def option(default: Any, help_text: str, choices: Iterable[str] | None = None) -> Any:
    """A dataclass field with a default, a help text, and where given the values it may have."""
    metadata = {"help": help_text, "choices": None if choices is None else tuple(choices)}
    return dataclasses.field(default=default, metadata=metadata)


def _parser_of(annotation: Any) -> dict[str, Any]:
    """argparse keywords for one annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return _parser_of(next(a for a in arguments if a is not type(None)))
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": arguments[0], "nargs": "*", "action": "extend"}
    if origin is tuple:
        return {"type": arguments[0], "nargs": len(arguments)}
    if annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": annotation}


def _add(parser: argparse.ArgumentParser, cls: type[Any]) -> None:
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[item.name]):
            _add(parser, hints[item.name])
            continue
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        text = item.metadata.get("help", "")
        if item.default is not dataclasses.MISSING:
            text = f"{text} (default: {item.default})".strip()
        name = "--" + item.name.replace("_", "-")
        keywords = {"dest": item.name, "required": required, "help": text.replace("%", "%%")}
        keywords |= {"default": argparse.SUPPRESS, **_parser_of(hints[item.name])}
        if item.metadata.get("choices"):
            keywords["choices"] = item.metadata["choices"]
        parser.add_argument(name, **keywords)


def _build(cls: type[Options], values: dict[str, Any]) -> Options:
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        if dataclasses.is_dataclass(hints[item.name]):
            arguments[item.name] = _build(hints[item.name], values)
        elif item.name in values:
            value = values[item.name]
            arguments[item.name] = tuple(value) if isinstance(value, list) else value
    return cls(**arguments)


def parse(cls: type[Options], description: str, argv: Sequence[str] | None = None) -> Options:
    """The dataclass `cls` filled from the command line; prints usage and exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add(parser, cls)
    arguments = [_hyphens(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    values = vars(parser.parse_args(arguments))
    try:
        return _build(cls, values)
    except (ConfigError, InputError) as error:
        parser.error(str(error))


def _hyphens(argument: str) -> str:
    """`--max_steps=3` as `--max-steps=3`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def to_dict(options: Any) -> dict[str, Any]:
    """Resolved options as plain JSON values, for the run directory."""
    return {k: _plain(v) for k, v in dataclasses.asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
