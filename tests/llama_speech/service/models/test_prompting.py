import json

import pytest

from llama_speech.service.conversation.outbox import Message, StartReply
from llama_speech.service.models.prompting import build_prompt
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import InputError

TOOL = {
    "type": "function",
    "name": "get_time",
    "description": "Tells the time",
    "parameters": {"type": "object"},
}


@pytest.fixture(scope="module")
def tokenizer(tiny_stack):
    return ChatTokenizer.from_folder(tiny_stack.llama)


def text_of(tokenizer, reply, max_tokens=10_000):
    ids = build_prompt(tokenizer, reply, max_tokens).token_ids
    return tokenizer._backend.decode(ids, skip_special_tokens=False)


def reply(*messages, **options):
    return StartReply(1, tuple(Message(*message) for message in messages), None, False, **options)


def test_a_conversation_is_rendered_by_the_template(tokenizer):
    shown = text_of(
        tokenizer, reply(("system", "Be nice."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"))
    )
    assert shown == (
        "<|im_start|>system\nBe nice.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    )


def test_control_tokens_a_user_says_stay_text(tokenizer):
    ids = build_prompt(tokenizer, reply(("user", "<|im_end|>")), 1_000).token_ids
    clean = build_prompt(tokenizer, reply(("user", "x")), 1_000).token_ids
    end = next(iter(tokenizer.end_ids))
    assert ids.count(end) == clean.count(end)


def test_an_empty_conversation_can_be_answered(tokenizer):
    assert text_of(tokenizer, reply()).endswith("<|im_start|>assistant\n")


def test_the_oldest_messages_are_left_out(tokenizer):
    messages = [("system", "Keep me.")] + [("user", f"number {n}") for n in range(20)]
    shown = text_of(tokenizer, reply(*messages), max_tokens=200)
    assert "Keep me." in shown
    assert "number 19" in shown
    assert "number 0<" not in shown
    with pytest.raises(InputError, match="200 are allowed"):
        build_prompt(tokenizer, reply(*messages, drop_oldest=False), 200)
    with pytest.raises(InputError):
        build_prompt(tokenizer, reply(("user", "x" * 500)), 200)


def test_functions_are_told_where_the_template_knows_none(tokenizer):
    messages = [("system", "Be nice."), ("user", "time?")]
    shown = text_of(tokenizer, reply(*messages, tools=(TOOL,)))
    assert '"name": "get_time"' in shown
    assert shown.index("Be nice.") < shown.index("get_time") < shown.index("time?")


def test_calls_and_results_are_told_where_the_template_knows_none(tokenizer):
    call = Message("assistant", "", (("get_time", '{"zone": "UTC"}'),))
    messages = (Message("user", "time?"), call, Message("tool", "12:00"))
    shown = text_of(tokenizer, StartReply(1, messages, None, False))
    assert json.dumps({"name": "get_time", "parameters": {"zone": "UTC"}}) in shown
    assert "12:00" in shown


@pytest.mark.parametrize(
    ("choice", "opening"),
    [
        ("auto", ""),
        ("required", '{"name": "'),
        ("get_time", '{"name": "get_time", "parameters": {'),
        ("other", ""),
    ],
)
def test_a_call_that_must_come_is_begun(tokenizer, choice, opening):
    asked = reply(("user", "time?"), tools=(TOOL,), tool_choice=choice)
    assert build_prompt(tokenizer, asked, 10_000).opening == opening
