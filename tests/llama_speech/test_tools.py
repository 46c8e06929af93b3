"""Function calls out of what Llamas write, and schemas in."""

import json

import pytest

from llama_speech.tools import ToolCall, check_tools, parse_tool_calls
from speech_core.errors import InputError

NAMES = ["weather", "brave_search", "get-time"]
CALL = '{"name": "weather", "parameters": {"city": "Rome"}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CALL, [("weather", {"city": "Rome"})]),
        (f"  {CALL}\n", [("weather", {"city": "Rome"})]),
        (f"{CALL}; {CALL}", [("weather", {"city": "Rome"})] * 2),
        (f"[{CALL}, {CALL}]", [("weather", {"city": "Rome"})] * 2),
        ('{"name": "weather", "arguments": {"city": "Rome"}}', [("weather", {"city": "Rome"})]),
        ('{"name": "weather", "arguments": "{\\"a\\": 1}"}', [("weather", {"a": 1})]),
        ('{"type": "function", "function": {"name": "get-time"}}', [("get-time", {})]),
        ('<function=weather>{"city": "Ål"}</function>', [("weather", {"city": "Ål"})]),
        ('brave_search.call(query="a llama", limit=3)', [("brave_search", {"query": "a llama", "limit": 3})]),
        (f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>{CALL}", [("weather", {"city": "Rome"})] * 2),
    ],
)  # fmt: skip
def test_calls_are_found(text, expected):
    calls = parse_tool_calls(text, NAMES)
    assert [(call.name, call.arguments) for call in calls] == expected
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is sunny in Rome.",
        f"You could write {CALL} to ask.",
        f"{CALL} and so on",
        '{"name": "weather", "parameters": {"city": "Rome"}',
        '{"name": "unknown", "parameters": {}}',
        '{"city": "Rome"}',
        '{"name": "weather", "parameters": ["Rome"]}',
        "[1, 2, 3]",
        "42",
        'brave_search.call(query=__import__("os"))',
        "brave_search.call(1)",
        "os.call(",
    ],
)
def test_ordinary_answers_are_no_calls(text):
    assert parse_tool_calls(text, NAMES) == ()


def test_a_call_goes_back_in_the_form_of_the_apis():
    values = ToolCall("call_0", "weather", {"city": "Ål"}).to_dict()
    assert values["function"]["name"] == "weather"
    assert json.loads(values["function"]["arguments"]) == {"city": "Ål"}


def test_schemas_in_either_form():
    inner = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
    assert check_tools([inner]) == check_tools([{"type": "function", "function": inner}])
    assert check_tools([{"name": "now"}])[0]["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "tool", [{}, "weather", {"function": {}}, {"name": 3}, {"name": "a", "parameters": []}]
)
def test_what_is_no_schema_is_refused(tool):
    with pytest.raises(InputError, match="tool"):
        check_tools([tool])
