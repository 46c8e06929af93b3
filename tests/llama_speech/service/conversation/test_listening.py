import pytest

from llama_speech.service.conversation.outbox import (
    Foresee,
    JudgeTurn,
    Message,
    Recognize,
    StartReply,
    StopReply,
)
from llama_speech.service.models.products import Finished, Said
from tests.llama_speech.service.helpers import SILENCE, Driven, kinds, partials, sound

TRANSCRIBED = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


def test_a_turn_becomes_an_item_and_is_answered():
    driven = Driven()
    driven.update(**TRANSCRIBED)
    events = driven.turn("what time is it")
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1
    assert driven.last(StartReply).messages == (Message("user", "what time is it"),)


def test_times_are_those_of_all_the_sound_that_came():
    driven = Driven()
    driven.hear(3_200, SILENCE)
    started, *rest = driven.turn()
    assert started["audio_start_ms"] == 3_200 - 300
    assert rest[0]["audio_end_ms"] == 3_200 + 640 + 512
    driven.send("input_audio_buffer.clear")
    driven.produce(Finished())
    assert driven.hear(640)[0]["audio_start_ms"] > 3_500


def test_the_answer_is_prepared_in_the_pause_and_told_at_once():
    driven = Driven()
    driven.hear(640)
    driven.hear(256, SILENCE)
    driven.words("what time is it")
    assert driven.produce(Said("It is "), sound(100, (0, 90, 5))) == []
    events = kinds(driven.hear(320, SILENCE))
    assert events[events.index("response.created") :][-1] == "response.output_audio.delta"


def test_a_prepared_answer_is_thrown_away_when_speech_goes_on():
    driven = Driven()
    driven.hear(640)
    driven.hear(256, SILENCE)
    driven.words("what time")
    first = driven.last(StartReply)
    driven.produce(Said("Noon."))
    assert driven.hear(640) == []
    assert driven.last(StopReply).generation == first.generation
    driven.hear(256, SILENCE)
    driven.words("what time is it in Rome")
    driven.hear(320, SILENCE)
    assert driven.produce(Said("stale"), generation=first.generation) == []
    assert driven.last(StartReply).messages[-1].text == "what time is it in Rome"
    assert len([event for event in driven.log if event["type"] == "response.created"]) == 1


def test_words_that_come_late_are_waited_for():
    driven = Driven()
    driven.hear(640)
    events = driven.hear(640, SILENCE)
    assert kinds(events)[-1] == "conversation.item.done"
    assert "response.created" in kinds(driven.words("hello"))


def test_noise_gets_no_answer():
    driven = Driven()
    driven.update(**TRANSCRIBED)
    events = driven.turn("")
    assert kinds(events)[-1] == "conversation.item.input_audio_transcription.completed"
    assert not [command for command in driven.commands if isinstance(command, StartReply)]


def test_a_failed_recognition_is_told_and_gets_no_answer():
    driven = Driven()
    driven.update(**TRANSCRIBED)
    driven.hear(640)
    driven.hear(640, SILENCE)
    (failed,) = driven.words("", "the recognition failed")
    assert failed["type"] == "conversation.item.input_audio_transcription.failed"
    assert failed["error"] == {"type": "server_error", "message": "the recognition failed"}


def test_two_turns_before_the_words_of_the_first_get_one_answer():
    driven = Driven()
    driven.hear(640)
    driven.hear(640, SILENCE)
    first = driven.last(Recognize).job
    driven.hear(640)
    driven.hear(640, SILENCE)
    driven.words("and then")
    assert not [command for command in driven.commands if isinstance(command, StartReply)]
    driven.session.recognized(first, "first", None)
    driven.collect()
    assert [message.text for message in driven.last(StartReply).messages] == ["first", "and then"]


def test_a_client_that_interrupts_itself_is_left_to_it():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": {"interrupt_response": False}}})
    driven.turn()
    driven.produce(Said("It is noon."), sound(500, (0, 400, 5)))
    assert kinds(driven.hear(640)) == ["input_audio_buffer.speech_started"]
    assert driven.send("response.cancel")[-1]["response"]["status"] == "cancelled"


def test_without_create_response_there_are_only_items():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": {"create_response": False}}})
    events = driven.hear(640) + driven.hear(640, SILENCE) + driven.words("hello")
    assert kinds(events)[-1] == "conversation.item.done"
    driven.send("response.create")
    assert driven.last(StartReply).messages[-1].text == "hello"


def test_push_to_talk():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": None, "transcription": {}}})
    assert driven.hear(1_600) == []
    assert kinds(driven.send("input_audio_buffer.commit")) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert driven.last(Recognize).audio.size == 16 * 1_600
    created = driven.send("response.create")
    assert kinds(created) == ["response.created"]
    assert not [command for command in driven.commands if isinstance(command, StartReply)]
    driven.words("hello")
    assert driven.last(StartReply).messages == (Message("user", "hello"),)


def test_a_commit_needs_sound():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": None}})
    driven.hear(64)
    error = driven.send("input_audio_buffer.commit", event_id="e")[0]["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "e")
    driven.hear(64)
    assert kinds(driven.send("input_audio_buffer.commit"))[0] == "input_audio_buffer.committed"


def test_a_commit_within_a_turn_ends_it():
    driven = Driven()
    started = driven.hear(640)[0]
    committed = driven.send("input_audio_buffer.commit")[0]
    assert committed["item_id"] == started["item_id"]
    assert "input_audio_buffer.speech_stopped" not in kinds(driven.hear(960, SILENCE))


def test_clear_takes_a_turn_back():
    driven = Driven()
    driven.hear(640)
    assert kinds(driven.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert driven.hear(960, SILENCE) == []
    assert list(driven.session.conversation) == []


def test_words_that_sound_finished_shorten_the_wait():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    driven.hear(640)
    driven.hear(256, SILENCE)
    driven.words("and then I")
    driven.session.judged(driven.last(JudgeTurn).job, 0.02)
    assert driven.hear(3_200, SILENCE) == []
    driven.hear(320)
    driven.hear(256, SILENCE)
    driven.words("and then I went home")
    driven.session.judged(driven.last(JudgeTurn).job, 0.9)
    assert "response.created" in kinds(driven.hear(128, SILENCE))


def test_the_first_word_is_not_lost():
    driven = Driven()
    driven.hear(3_200, SILENCE)
    driven.hear(640)
    driven.hear(256, SILENCE)
    assert driven.last(Recognize).audio.size >= 16 * (300 + 640)


def test_sound_that_is_never_committed_is_bounded():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": None}})
    events = driven.hear(301_000)
    assert [event["error"]["param"] for event in events] == ["audio"]


@pytest.mark.parametrize("error", [None, "failed"])
def test_words_of_an_item_that_was_deleted_do_no_harm(error):
    driven = Driven()
    driven.update(**TRANSCRIBED)
    driven.hear(640)
    item_id = next(
        event["item_id"] for event in driven.hear(640, SILENCE) if event["type"].endswith("committed")
    )
    driven.send("conversation.item.delete", item_id=item_id)
    assert driven.words("hello", error) == []


def test_a_transcript_grows_while_the_user_speaks():
    driven = Driven()
    driven.update(**TRANSCRIBED)
    events = driven.hear(832)
    for text in ("what time", "what time is it", "what time is it in"):
        driven.session.recognized(partials(driven)[-1], text)
        events += driven.hear(1_600)
    driven.hear(256, SILENCE)
    events += driven.words("what time is it in Rome") + driven.hear(320, SILENCE)
    deltas = [event for event in events if event["type"].endswith("transcription.delta")]
    done = [event for event in events if event["type"].endswith("transcription.completed")]
    assert len(deltas) >= 2
    assert kinds(events).index(deltas[0]["type"]) < kinds(events).index("input_audio_buffer.committed")
    assert "".join(event["delta"] for event in deltas) == done[0]["transcript"] == "what time is it in Rome"
    assert len({event["item_id"] for event in [*deltas, *done]}) == 1


def test_captions_of_a_turn_that_is_taken_back_end():
    driven = Driven()
    driven.update(**TRANSCRIBED)
    driven.hear(832)
    for text in ("what time is", "what time is it"):
        driven.session.recognized(partials(driven)[-1], text)
        driven.hear(1_600)
    item_id = driven.log[-1]["item_id"]
    events = driven.send("input_audio_buffer.clear")
    assert [event["item_id"] for event in events if event["type"].endswith(".failed")] == [item_id]


def test_nobody_reads_along_unless_asked():
    driven = Driven()
    driven.update(audio={"input": {"transcription": None}})
    driven.hear(6_400)
    assert partials(driven) == []


def test_the_engine_reads_the_conversation_while_the_user_speaks():
    driven = Driven(instructions="Be brief.")
    driven.hear(128)
    assert driven.last(Foresee).reply.messages == (Message("system", "Be brief."),)


@pytest.mark.parametrize(
    ("server", "session", "speech"),
    [
        ("transcript", None, ()),
        ("transcript", "speech", ("heard",)),
        ("speech", None, ("heard",)),
        ("speech", "transcript", ()),
    ],
)
def test_answers_come_from_words_or_from_speech(server, session, speech):
    driven = Driven(answer_from=server)
    if session:
        echo = driven.update(answer_from=session)[-1]["session"]
        assert echo["answer_from"] == session
    driven.hear(640)
    driven.hear(256, SILENCE)
    driven.session.recognized(driven.last(Recognize).job, "what time is it", None, ("heard",))
    driven.hear(320, SILENCE)
    assert driven.last(StartReply).messages[-1] == Message("user", "what time is it", speech=speech)
    driven.produce(Finished())
    driven.turn("and now")
    assert driven.last(StartReply).messages[0] == Message("user", "what time is it", speech=speech)
