"""Functions the assistant may call: their schemas in, its calls out of the text it wrote.

Llama 3.1 and later are told of functions in the chat template and answer with
`{"name": ..., "parameters": {...}}` (Meta's documentation of prompt formats, "JSON based tool calling"), with
`<function=name>{...}</function>` ("user defined custom tool calling"), or, for built-in tools, with
`tool.call(query="...")`. Other Llamas were taught `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speech_core.errors import InputError

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)
_NAMED = re.compile(r"<function=([\w.-]+)>\s*(\{.*?\})\s*(?:</function>|$)", re.DOTALL)
_BUILT_IN = re.compile(r"^([A-Za-z_]\w*)\.call\((.*)\)$", re.DOTALL)


@dataclass(frozen=True)
class ToolCall:
    """A function the assistant wants called."""

    id: str  # to tell which result belongs to which call
    name: str
    arguments: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As the chat APIs write it: arguments as JSON text."""
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": arguments},
        }


def check_tools(tools: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Functions in the form templates expect. Raises InputError for anything else.

    A function is `{"type": "function", "function": {"name", "description", "parameters"}}` or the inner
    object alone.
    """
    return tuple(_checked(tool) for tool in tools)


def _checked(tool: Any) -> dict[str, Any]:
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
        raise InputError("a tool has no name: give {'type': 'function', 'function': {'name': ...}}")
    parameters = function.get("parameters", {"type": "object", "properties": {}})
    if not isinstance(parameters, Mapping):
        raise InputError(f"the parameters of tool {name!r} are no JSON schema: give an object")
    shape = {"name": name, "description": str(function.get("description", "")), "parameters": parameters}
    return {"type": "function", "function": shape}


def parse_tool_calls(text: str, names: Sequence[str]) -> tuple[ToolCall, ...]:
    """The calls that an answer consists of; none if it is an ordinary answer.

    names: of the functions offered; a call of another name is no call (but for the `tool.call(...)` form,
    which only the Llama's own tools have).
    """
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, arguments in _calls(text.strip()):
        if name not in names:
            return ()
        found.append((name, arguments))
    return tuple(ToolCall(f"call_{place}", name, arguments) for place, (name, arguments) in enumerate(found))


def _calls(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, arguments) of each call, by the first form that fits."""
    tagged = _TAGGED.findall(text)
    if tagged:
        for content in tagged:
            yield from _json_calls(content)
        return
    named = _NAMED.findall(text)
    if named:
        for name, content in named:
            arguments = _json_value(content)
            if isinstance(arguments, Mapping):
                yield name, arguments
        return
    built_in = _BUILT_IN.match(text)
    if built_in:
        arguments = _keyword_arguments(built_in[2])
        if arguments is not None:
            yield built_in[1], arguments
        return
    yield from _json_calls(text)


def _json_calls(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    """JSON objects with a name, one after another (between them spaces, commas or semicolons), or a list."""
    decoder, place, found = json.JSONDecoder(), 0, list[tuple[str, Mapping[str, Any]]]()
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            return []  # words around it: an answer that quotes JSON, not a call
        for one in value if isinstance(value, list) else [value]:
            call = _json_call(one)
            if call is None:
                return []
            found.append(call)
        while place < len(text) and text[place] in " \t\r\n,;":
            place += 1
    return found


def _json_call(value: Any) -> tuple[str, Mapping[str, Any]] | None:
    if not isinstance(value, Mapping):
        return None
    value = value["function"] if isinstance(value.get("function"), Mapping) else value
    name = value.get("name", value.get("function"))
    arguments = value.get("parameters", value.get("arguments", {}))
    if isinstance(arguments, str):
        arguments = _json_value(arguments)
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        return None
    return name, arguments


def _json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _keyword_arguments(text: str) -> dict[str, Any] | None:
    """`query="a", limit=3` as a dictionary; literals only, nothing is evaluated."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            return None
        return {str(word.arg): ast.literal_eval(word.value) for word in call.keywords if word.arg}
    except (SyntaxError, ValueError):
        return None
