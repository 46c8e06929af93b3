import base64
from itertools import groupby

import pytest

from llama_speech.service.conversation.answer import Answer, AnswerOptions
from llama_speech.service.conversation.items import Conversation
from llama_speech.service.conversation.outbox import Outbox
from llama_speech.service.conversation.settings import Settings, merged
from llama_speech.service.endpoints.pacing import Pace
from llama_speech.service.models.products import Called, Failed, Finished, Said
from tests.fakes import FakeClock
from tests.llama_speech.service.helpers import Checker, kinds, sound

SPOKEN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


class One:
    """One answer and what it told."""

    def __init__(self, conversation_id="conv_1", metadata=None, lead_ms=None, **settings):
        self.outbox, self.conversation, self.clock = Outbox(), Conversation(), FakeClock()
        self.pace = None if lead_ms is None else Pace(lead_ms, self.clock)
        self.listen(0.0)
        options = AnswerOptions(merged(Settings(), settings), conversation_id, metadata, self.pace)
        self.answer = Answer(1, options, self.outbox, self.conversation, self.clock)
        self.answer.held = False
        self.checker = Checker()

    def told(self):
        events = self.outbox.take_events()
        for event in events:
            self.checker.see(event)
        return events

    def listen(self, seconds):
        """Time passes, in which the client sends sound."""
        self.clock.advance(seconds)
        if self.pace is not None:
            self.pace.arrived(seconds)

    def play(self, ms):
        """Time passes, and the answer is looked at whenever it says it is due."""
        end, events = self.clock() + ms / 1000, []
        while self.answer.due_s is not None and self.clock() + self.answer.due_s <= end:
            self.listen(self.answer.due_s)
            self.answer.advance()
            events += self.told()
        self.listen(end - self.clock())
        return events

    def receive(self, *products):
        for product in products:
            self.answer.receive(product)
        return self.told()


def spoken(**settings):
    one = One(**settings)
    one.answer.announce()
    assert kinds(one.told()) == ["response.created"]
    return one


def changes(events):
    """Types of events, those in a row once."""
    return [kind for kind, _ in groupby(kinds(events))]


def without_deltas(names):
    return [name for name in names if not name.endswith(".delta")]


def words_of(events):
    return [event["delta"] for event in events if event["type"] == "response.output_audio_transcript.delta"]


def test_a_spoken_answer_has_the_order_clients_need():
    one = spoken()
    events = one.receive(Said("Yes."), sound(100, (0, 90, 3)), Finished("end", 7, 2))
    assert changes(events) == [*SPOKEN[1:6], "response.output_audio_transcript.delta", *SPOKEN[6:]]
    done = events[-1]["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": "Yes."}]
    assert (done["usage"]["input_tokens"], done["usage"]["output_tokens"]) == (7, 2)


def test_a_written_answer_streams_its_text():
    one = spoken(output_modalities=["text"])
    events = one.receive(Said("Hel"), Said("lo"), Finished())
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas == ["Hel", "lo"]
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello"}]


def test_words_are_shown_with_their_sound():
    one = spoken()
    assert "response.output_audio_transcript.delta" not in kinds(one.receive(Said("It is noon.")))
    first = one.receive(sound(500, (0, 200, 2), (200, 500, 5)))
    assert words_of(first) == ["It is"]
    rest = one.receive(sound(500, (500, 900, 10)), Finished())
    assert words_of(rest) == [" noon", "."]


@pytest.mark.parametrize(("kind", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcmu", 8), ("audio/pcma", 8)])
def test_the_bytes_sent_add_up_to_the_duration(kind, bytes_per_ms):
    one = spoken(audio={"output": {"format": {"type": kind}}})
    events = one.receive(Said("a"), sound(333), sound(667, (0, 900, 1)), Finished())
    sizes = [len(base64.b64decode(e["delta"])) for e in events if e["type"] == "response.output_audio.delta"]
    assert sum(sizes) == 1000 * bytes_per_ms
    assert max(sizes) <= 200 * bytes_per_ms


def test_a_cancelled_answer_keeps_the_words_there_was_time_to_hear():
    one = spoken()
    one.receive(Said("It is noon."), sound(900, (0, 300, 2), (300, 600, 5), (600, 900, 10)))
    one.clock.advance(0.65)
    one.answer.cancel("turn_detected")
    events = one.told()
    assert kinds(events) == SPOKEN[6:]
    assert events[-1]["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"
    (item,) = one.conversation
    assert (item.parts[0].text, item.parts[0].duration_ms) == ("It is", 650)


def test_nothing_follows_the_end():
    one = spoken()
    one.receive(Said("a"), Finished())
    one.answer.cancel("client_cancelled")
    assert one.receive(Said("b"), sound(100), Called("f", "{}"), Failed("x"), Finished()) == []


def test_cancelling_before_anything_was_said_gives_an_empty_answer():
    one = spoken()
    one.answer.cancel("client_cancelled")
    events = one.told()
    assert kinds(events) == ["response.done"]
    assert events[-1]["response"]["output"] == []


def test_a_draft_is_unknown_until_it_is_announced():
    one = One()
    one.answer.held = True
    assert one.receive(Said("Yes."), sound(100, (0, 90, 3)), Finished()) == []
    one.answer.announce()
    one.answer.release()
    assert kinds(one.told())[0] == "response.created"
    assert one.answer.state == "over"


def test_a_draft_that_is_dropped_was_never_there():
    one = One()
    one.answer.held = True
    one.receive(Said("Yes."))
    one.answer.cancel("turn_detected")
    assert one.told() == []
    with pytest.raises(RuntimeError, match="cannot go from over to waiting"):
        one.answer.announce()


def test_a_held_answer_goes_on_where_it_was():
    one = spoken()
    one.receive(Said("a b"), sound(100, (0, 50, 1)))
    one.answer.hold()
    assert one.receive(sound(100, (50, 150, 3)), Finished()) == []
    one.answer.release()
    assert kinds(one.told())[-1] == "response.done"


def test_functions_are_called_with_whole_arguments():
    one = spoken()
    events = one.receive(Called("get_time", '{"zone": "UTC"}'), Called("get_date", "{}"), Finished())
    calls = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [(call["name"], call["arguments"], call["output_index"]) for call in calls] == [
        ("get_time", '{"zone": "UTC"}', 0),
        ("get_date", "{}", 1),
    ]
    added = next(event["item"] for event in events if event["type"] == "response.output_item.added")
    assert (added["status"], added["arguments"]) == ("in_progress", "")
    assert [item["status"] for item in events[-1]["response"]["output"]] == ["completed", "completed"]
    assert len({item["call_id"] for item in events[-1]["response"]["output"]}) == 2


def test_the_limit_of_tokens_makes_an_incomplete_answer():
    events = spoken(output_modalities=["text"]).receive(Said("a"), Finished("length"))
    assert events[-1]["response"]["status"] == "incomplete"
    assert events[-1]["response"]["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}


def test_a_failure_closes_everything():
    events = spoken().receive(Said("a"), sound(100, (0, 90, 1)), Failed("out of memory"))
    done = events[-1]["response"]
    assert (done["status"], done["status_details"]["error"]["message"]) == ("failed", "out of memory")
    assert "conversation.item.done" in kinds(events)


def test_out_of_band_touches_no_conversation():
    one = One(conversation_id=None, metadata={"topic": "x"}, output_modalities=["text"])
    one.answer.announce()
    events = one.receive(Said("a"), Finished())
    assert not [kind for kind in kinds(events) if kind.startswith("conversation.")]
    assert list(one.conversation) == []
    assert (events[-1]["response"]["conversation_id"], events[-1]["response"]["metadata"]) == (
        None,
        {"topic": "x"},
    )


def test_an_answer_is_audible_while_it_plays():
    one = spoken()
    one.receive(Said("a"), sound(1_000, (0, 900, 1)), Finished())
    one.clock.advance(0.5)
    assert one.answer.audible
    one.clock.advance(0.6)
    assert not one.answer.audible


def sound_ms(events):
    sizes = [len(base64.b64decode(e["delta"])) for e in events if e["type"] == "response.output_audio.delta"]
    return sum(sizes) / 48


NOON = (Said("It is noon."), sound(900, (0, 300, 2), (300, 600, 5), (600, 900, 10)), Finished())


def test_sound_is_sent_a_little_ahead_of_its_playback():
    one = spoken(lead_ms=80)
    events = one.receive(*NOON)
    assert sound_ms(events) == pytest.approx(80)
    assert words_of(events) == ["It"]
    assert one.answer.due_s == pytest.approx(0.04)
    while one.answer.running:
        events += one.play(10)
        assert sound_ms(events) - one.answer.heard_ms <= 81
    assert one.clock() == pytest.approx(0.82, abs=0.011)  # what is left was sent
    assert without_deltas(changes(events)) == without_deltas(SPOKEN[1:])
    assert sound_ms(events) == pytest.approx(900)
    (item,) = one.conversation
    assert (item.parts[0].text, item.parts[0].duration_ms) == ("It is noon.", 900)


def test_words_come_with_their_sound_at_its_pace():
    one = spoken(lead_ms=80)
    told = dict.fromkeys(words_of(one.receive(*NOON)), 0)
    while one.answer.running:
        told |= dict.fromkeys(words_of(one.play(10)), round(1000 * one.clock()))
    assert list(told) == ["It", " is", " noon", "."]
    assert 180 <= told[" is"] <= 300
    assert 480 <= told[" noon"] <= 600


def test_silence_follows_the_hold_by_the_lead():
    one = spoken(lead_ms=80)
    one.receive(*NOON)
    one.play(400)
    one.answer.hold()
    assert one.play(100) == []
    assert 400 <= one.answer.heard_ms <= 480
    assert one.answer.audible  # it may go on
    heard = one.answer.heard_ms
    one.clock.advance(1.0)
    assert one.answer.heard_ms == heard
    one.answer.release()
    events = one.told()
    assert 40 <= sound_ms(events) <= 80
    one.play(1_000)
    assert one.answer.state == "over"


def test_a_cancelled_answer_keeps_the_words_heard_before_it_was_held():
    one = spoken(lead_ms=80)
    one.receive(*NOON)
    one.play(610)
    one.answer.hold()
    one.clock.advance(3.0)
    one.answer.cancel("turn_detected")
    (item,) = one.conversation
    assert item.parts[0].text == "It is"
    assert 610 <= item.parts[0].duration_ms <= 690
    assert one.answer.due_s is None


def test_a_voice_that_makes_sound_too_late_is_sent_at_once():
    one = spoken(lead_ms=80)
    one.receive(Said("a b"), sound(60, (0, 60, 1)))
    one.clock.advance(0.5)
    assert sound_ms(one.receive(sound(30, (60, 90, 3)))) == pytest.approx(30)
    assert one.answer.heard_ms == pytest.approx(60)


def test_calls_and_failures_wait_for_the_sound_before_them():
    for last in (Called("f", "{}"), Failed("x")):
        one = spoken(lead_ms=80)
        one.receive(Said("a"), sound(500, (0, 500, 1)), last, Finished())
        assert one.answer.running
        events = one.play(460)
        assert sound_ms(events) == pytest.approx(420)
        assert kinds(events)[-1] == "response.done"


def test_the_rest_can_be_had_at_once_when_it_is_there():
    one = spoken(lead_ms=80)
    one.receive(*NOON[:2])
    one.answer.hurry()
    assert one.told() == []  # there may be more
    one.receive(NOON[2])
    one.answer.hold()
    one.answer.hurry()
    assert one.told() == []  # somebody speaks
    one.answer.release()
    one.answer.hurry()
    events = one.told()
    assert sound_ms(events) == pytest.approx(820)
    assert kinds(events)[-1] == "response.done"


def test_text_is_not_paced():
    one = spoken(lead_ms=80, output_modalities=["text"])
    assert kinds(one.receive(Said("a "), Said("b"), Finished()))[-1] == "response.done"
