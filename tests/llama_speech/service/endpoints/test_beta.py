from llama_speech.service.endpoints.beta import BetaNames, wants_beta
from llama_speech.service.models.products import Finished, Said
from tests.llama_speech.service.helpers import Driven, sound


def test_clients_ask_for_the_beta():
    assert wants_beta({"openai-beta": "realtime=v1"}, [])
    assert wants_beta({}, ["realtime", "openai-beta.realtime-v1"])
    assert not wants_beta({}, ["realtime"])


def test_a_turn_has_beta_names_only():
    driven = Driven()
    driven.update(
        audio={"input": {"transcription": {"model": "w"}}, "output": {"format": {"type": "audio/pcmu"}}}
    )
    driven.turn()
    driven.produce(Said("Noon."), sound(300, (0, 300, 5)), Finished())
    names = BetaNames()
    told = [shown for event in driven.log for shown in names.translate(event)]
    kinds = [event["type"] for event in told]
    assert "response.audio.delta" in kinds
    assert "response.audio_transcript.done" in kinds
    assert kinds.count("conversation.item.created") == 2
    assert not [
        kind
        for kind in kinds
        if "output_" in kind.replace("output_item", "")
        or (kind.endswith("item.done") and "conversation" in kind)
    ]
    session = told[1]["session"]
    assert (session["output_audio_format"], session["modalities"]) == ("g711_ulaw", ["text", "audio"])
    assert session["input_audio_transcription"] == {"model": "w"}
    response = told[-1]["response"]
    assert response["output"][0]["content"][0]["type"] == "audio"
    assert (response["voice"], "audio" in response) == ("default", False)


def test_a_transcription_session_has_its_own_event():
    driven = Driven(transcription_only=True)
    (event,) = BetaNames().translate(driven.log[0])
    assert event["type"] == "transcription_session.created"
    assert "voice" not in event["session"]
