from llama_speech.service.conversation.items import Part
from llama_speech.service.conversation.outbox import Outbox
from llama_speech.service.conversation.transcripts import Transcripts
from tests.llama_speech.service.helpers import Checker, kinds

KIND = "conversation.item.input_audio_transcription"


def told(act):
    outbox, checker = Outbox(), Checker()
    act(Transcripts(outbox))
    events = outbox.take_events()
    for event in events:
        checker.see(event)
    return events


def test_the_deltas_joined_are_the_transcript():
    part = Part("input_audio", "it is noon", samples=24_000, sample_rate=16_000)
    events = told(lambda one: (one.delta("item_1", "it is"), one.completed("item_1", part, "it is")))
    assert kinds(events) == [f"{KIND}.delta", f"{KIND}.delta", f"{KIND}.completed"]
    assert "".join(event["delta"] for event in events[:2]) == events[2]["transcript"] == "it is noon"
    assert events[2]["usage"] == {"type": "duration", "seconds": 1.5}


def test_no_words_are_no_delta():
    events = told(lambda one: (one.delta("item_1", ""), one.completed("item_1", Part("input_audio"), "")))
    assert kinds(events) == [f"{KIND}.completed"]
    assert events[0]["transcript"] == ""


def test_whose_fault_it_is_that_there_are_no_words():
    events = told(lambda one: (one.failed("item_1", "busy"), one.failed("item_1", "gone", ours=False)))
    assert [event["error"]["type"] for event in events] == ["server_error", "invalid_request_error"]
    assert [event["error"]["message"] for event in events] == ["busy", "gone"]
