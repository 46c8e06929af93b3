"""Whatever clients send and the engine does, in any order: the session keeps its promises.

The checker of helpers.py sees every event: one `response.done` for each response, nothing of it afterwards,
items added once and finished once, deltas that add up. FUZZ_EXAMPLES=3000 runs longer (`make fuzz`).
"""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from llama_speech.service.conversation.outbox import JudgeTurn, Recognize, StartReply
from llama_speech.service.endpoints.protocol import CLIENT_EVENTS, event_id_of, read_event
from llama_speech.service.models.products import Called, Failed, Finished, Said
from speech_core.errors import ProtocolError
from tests.llama_speech.service.fuzz.json_fuzz import ANY_JSON, NAMES, amount, damaged
from tests.llama_speech.service.helpers import SILENCE, SPEECH, Driven, kinds, sound

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
PRODUCTS = [
    Said("hi "),
    Said("you"),
    Said(""),
    sound(300, (0, 250, 3)),
    sound(30),
    Called("f", "{}"),
    Finished(),
    Finished("length"),
    Failed("x"),
]
DETECTIONS = [
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "idle_timeout_ms": 5_000, "silence_duration_ms": 0, "prefix_padding_ms": 0},
    {"type": "semantic_vad", "eagerness": "high"},
    {"interrupt_response": False},
    {"create_response": False},
]
WISHES: list[Any] = [
    None,
    {},
    {"conversation": "none"},
    {"conversation": "none", "input": [{"type": "item_reference", "id": "item_1"}]},
    {"output_modalities": ["text"]},
    {"input": []},
    {"input": 3},
    {"tools": [TOOL], "tool_choice": "required"},
    {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
]
CHANGES = [
    {"tools": [TOOL]},
    {"output_modalities": ["text"]},
    {"output_modalities": ["audio"]},
    {"audio": {"output": {"voice": "marin"}}},
    {"audio": {"input": {"format": {"type": "audio/pcma"}}}},
    {"audio": {"input": {"transcription": None}}},
    {"type": "transcription"},
]
PCM = "AAAA" * 400  # 25 ms
ITEMS = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": PCM}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]},
    {"type": "message", "role": "system", "id": "mine", "content": []},
    {"type": "function_call", "id": "mine", "name": "f", "call_id": "c", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
]


class Client(RuleBasedStateMachine):
    """A client, a user and an engine."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven(lead_ms=80)

    @rule(ms=st.integers(32, 700), speech=st.booleans(), passes=st.booleans())
    def hear(self, ms, speech, passes):
        shown = kinds(self.driven.hear(ms, SPEECH if speech else SILENCE, passes))
        detection = self.driven.session.settings.audio.input.turn_detection
        if detection is None or not detection.interrupt_response:
            return
        if "input_audio_buffer.speech_started" in shown:
            rest = shown[shown.index("input_audio_buffer.speech_started") :]
            assert not [kind for kind in rest if kind.endswith("audio.delta")], "sound after barge-in"
            assert not self.driven.checker.running

    @rule(seconds=st.floats(0, 7))
    def wait(self, seconds):
        self.driven.clock.advance(seconds)
        self.driven.session.tick()
        self.driven.session.advance()
        self.driven.collect()

    @rule(text=st.sampled_from(["", "hello there"]), fails=st.booleans(), back=st.integers(0, 2))
    def recognize(self, text, fails, back):
        jobs = [command.job for command in self.driven.commands if isinstance(command, Recognize)]
        if len(jobs) > back:
            self.driven.session.recognized(jobs[-1 - back], text, "failed" if fails else None)
            self.driven.collect()

    @rule(finished=st.floats(0, 1), back=st.integers(0, 2))
    def judge(self, finished, back):
        jobs = [command.job for command in self.driven.commands if isinstance(command, JudgeTurn)]
        if len(jobs) > back:
            self.driven.session.judged(jobs[-1 - back], finished)
            self.driven.collect()

    @rule(back=st.integers(0, 2), product=st.sampled_from(PRODUCTS))
    def produce(self, back, product):
        replies = [command.generation for command in self.driven.commands if isinstance(command, StartReply)]
        if len(replies) > back:
            self.driven.produce(product, generation=replies[-1 - back])

    @rule(wish=st.sampled_from(WISHES))
    def ask(self, wish):
        self.driven.send("response.create", response=wish)

    @rule(named=st.booleans(), back=st.integers(0, 3))
    def cancel(self, named, back):
        checker = self.driven.checker
        ids = list(checker.responses)
        if named and len(ids) > back:
            target = {ids[-1 - back]}
            fields = {"response_id": ids[-1 - back]}
        else:
            target, fields = checker.running, {}
        was_running = {one for one in target if checker.responses[one] == "running"}
        first = kinds(self.driven.send("response.cancel", **fields))
        assert not [one for one in target if checker.responses[one] == "running"]
        assert first.count("response.done") == len(was_running)
        again = self.driven.send("response.cancel", **fields)
        assert kinds(again) == ["error"], "cancelling twice does nothing but say so"
        assert again[0]["error"]["code"] == "response_cancel_not_active"

    @rule(
        place=st.integers(0, 5),
        end_ms=st.integers(0, 2_000),
        kind=st.sampled_from(["truncate", "delete", "retrieve"]),
    )
    def touch(self, place, end_ms, kind):
        items = list(self.driven.session.conversation)
        item_id = items[place].id if place < len(items) else "nobody"
        fields = {"audio_end_ms": end_ms} if kind == "truncate" else {}
        self.driven.send(f"conversation.item.{kind}", item_id=item_id, **fields)

    @rule(item=st.sampled_from(ITEMS), before=st.sampled_from([None, "root", "mine", "nobody"]))
    def create(self, item, before):
        self.driven.send("conversation.item.create", item=item, previous_item_id=before)

    @rule(detection=st.sampled_from(DETECTIONS))
    def detect(self, detection):
        self.driven.update(audio={"input": {"turn_detection": detection, "transcription": {"model": "w"}}})

    @rule(change=st.sampled_from(CHANGES))
    def change(self, change):
        self.driven.send("session.update", session=change)

    @rule(kind=st.sampled_from(["input_audio_buffer.commit", "input_audio_buffer.clear"]))
    def buffer(self, kind):
        self.driven.send(kind)

    @invariant()
    def at_most_one_answer_writes(self):
        assert len(self.driven.checker.running) <= 1

    def teardown(self):
        """In the end everything that was begun is finished."""
        plain = {"turn_detection": {"idle_timeout_ms": None}}  # it would begin answers without end
        self.driven.update(audio={"input": plain})
        for _ in range(4):  # answers may wait for words, and words come after answers
            for command in list(self.driven.commands):
                if isinstance(command, Recognize):
                    self.driven.session.recognized(command.job, "x")
                elif isinstance(command, StartReply):
                    self.driven.session.produced(command.generation, Finished())
            self.driven.clock.advance(2.0)  # nobody speaks any more
            self.driven.session.tick()
            while self.driven.session.due_s is not None:
                self.driven.clock.advance(self.driven.session.due_s)
                self.driven.session.advance()
            self.driven.collect()
        assert "running" not in self.driven.checker.responses.values()
        assert set(self.driven.checker.items.values()) <= {"done"}


Client.TestCase.settings = settings(stateful_step_count=40, **amount(25))
TestAnyOrder = Client.TestCase

VALID: list[dict[str, Any]] = [
    *({"type": "conversation.item.create", "item": item, "previous_item_id": "root"} for item in ITEMS),
    *({"type": "session.update", "session": change} for change in CHANGES),
    *({"type": "session.update", "session": {"audio": {"input": {"turn_detection": d}}}} for d in DETECTIONS),
    *({"type": "response.create", "response": wish} for wish in WISHES),
    {"type": "response.create", "response": {"metadata": {"a": "b"}, "max_output_tokens": 3}},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 5},
    {"type": "response.cancel", "response_id": "resp_1"},
]


def wild_events():
    """An event of a known type whose fields are anything."""
    fields = st.dictionaries(NAMES, ANY_JSON, max_size=5)
    return st.builds(
        lambda kind, more: {**more, "type": kind}, st.sampled_from(sorted(CLIENT_EVENTS)), fields
    )


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], **amount(150))
@given(st.lists(damaged(VALID) | wild_events(), min_size=1, max_size=6))
def test_no_event_ends_a_session_or_breaks_what_is_sent(events):
    """Every event is answered in valid JSON and UTF-8, and the session lives."""
    driven = Driven()
    driven.turn()
    for event in events:
        value = None
        try:
            value = read_event(json.dumps(event))
        except ProtocolError as fault:
            driven.session.outbox.error(fault, event_id_of(value))
        if value is not None and value["type"] != "input_audio_buffer.append":
            driven.session.handle(value)
        for answer in driven.collect():
            json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
    assert kinds(driven.send("no.such.event")) == ["error"]
