import base64
import json
from contextlib import suppress

import httpx
import numpy as np
import openai
import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running
from speech_core.audio import load_audio
from speech_core.audio_encoding import wav_header
from speech_core.pcm import write_wav
from tests.llama_speech.service.conftest import SAMPLE, make_service
from tests.llama_speech.service.tone_voice import ToneVoice


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "speech.wav"
    write_wav(path, load_audio(SAMPLE, 16_000)[: 16_000 * 3], 16_000)
    return path


def test_a_recording_becomes_text(client, spoken, tiny_model):
    expected = tiny_model.transcribe(str(spoken))
    reply = client.audio.transcriptions.create(file=spoken, model="whisper-1")
    assert reply.text == expected.text
    assert reply.usage.seconds == 3.0
    text = client.audio.transcriptions.create(file=spoken, model="whisper-1", response_format="text")
    assert text == expected.text + "\n"


def test_times_of_words_and_segments(client, spoken):
    reply = client.audio.transcriptions.create(
        file=spoken,
        model="m",
        response_format="verbose_json",
        timestamp_granularities=["word"],
        language="english",
    )
    assert (reply.language, reply.duration, reply.segments) == ("english", 3.0, None)
    assert all(0 <= word.start <= word.end <= 3.0 for word in reply.words)
    both = ["word", "segment"]
    reply = client.audio.transcriptions.create(
        file=spoken, model="m", response_format="verbose_json", timestamp_granularities=both
    )
    assert reply.segments[0].tokens


@pytest.mark.parametrize(("kind", "begin"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n")])
def test_subtitles(client, spoken, kind, begin):
    assert client.audio.transcriptions.create(file=spoken, model="m", response_format=kind).startswith(begin)


def test_streamed_text_adds_up(client, spoken):
    events = list(client.audio.transcriptions.create(file=spoken, model="m", stream=True))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert events[-1].type == "transcript.text.done"


def test_a_translation(client, spoken):
    with pytest.warns(DeprecationWarning, match="deprecated"):  # by the newest client
        assert isinstance(client.audio.translations.create(file=spoken, model="m").text, str)


def test_silence_is_empty_text(client):
    silence = np.zeros(16_000, dtype="<i2")
    file = wav_header(16_000) + silence.tobytes()
    reply = post(client, files={"file": file}, data={"model": "m"})
    assert (reply.status_code, reply.json()["text"]) == (200, "")


def post(client, path="audio/transcriptions", **form):
    return httpx.post(f"{client.base_url}{path}", timeout=60, **form)


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"response_format": "pdf"}, "response_format"),
        ({"response_format": "srt", "stream": "true"}, "stream"),
        ({"timestamp_granularities[]": "phone"}, "timestamp_granularities"),
    ],
)
def test_wrong_fields_are_named(client, data, param):
    reply = post(client, files={"file": b"x"}, data=data)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF\xff\xff\xff\xffWAVEfmt ", bytes(1_000)])
def test_what_is_no_audio_is_refused_in_words(client, content):
    reply = post(client, files={"file": content}, data={"model": "m"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "file")


def test_a_form_without_file_or_no_form_is_refused(client):
    assert post(client, data={"model": "m"}).json()["error"]["code"] == "missing_required_parameter"
    for kind, content in (("", b"--x"), ("; boundary=b", b"--b\r\n\r\n--b--")):
        reply = post(client, content=content, headers={"content-type": f"multipart/form-data{kind}"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_form")


def test_uploads_are_limited_while_they_are_read(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, max_upload_bytes=100_000)

    def endless():
        for _ in range(1_000):
            yield b"x" * 10_000

    with running(build_app(service), service) as url:
        address, kind = f"{url}/v1/audio/transcriptions", {"content-type": "multipart/form-data; boundary=b"}
        declared = httpx.post(address, content=b"x" * 200_000, headers=kind)
        assert (declared.status_code, declared.json()["error"]["code"]) == (413, "payload_too_large")
        with suppress(httpx.TransportError):  # the server may hang up before all was sent
            assert httpx.post(address, content=endless(), headers=kind).status_code in (400, 413)
    service.close()


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("flac", "audio/flac"),
        ("aac", "audio/aac"),
    ],
)
def test_a_text_is_spoken(client, kind, media):
    reply = client.audio.speech.create(model="m", input="one two three", voice="alloy", response_format=kind)
    assert reply.response.headers["content-type"] == media
    data = reply.read()
    if kind == "pcm":
        assert len(data) == 2 * 3 * ToneVoice.word_samples
    elif kind != "wav":
        assert abs(load_audio(data, 24_000).size - 3 * ToneVoice.word_samples) < 24_000 * 0.12


def test_speech_as_events(client):
    body = {
        "model": "m",
        "input": "one two",
        "voice": "alloy",
        "response_format": "pcm",
        "stream_format": "sse",
    }
    reply = httpx.post(f"{client.base_url}audio/speech", json=body)
    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert len(sound) == 2 * 2 * ToneVoice.word_samples
    assert events[-1]["type"] == "speech.audio.done"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 5_000}, "input"),
        ({"voice": "nobody"}, "voice"),
        ({"voice": ["alloy"]}, "voice"),
        ({"speed": 9}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"response_format": {}}, "response_format"),
    ],
)
def test_wrong_wishes_for_speech_are_named(client, change, param):
    body = {"model": "m", "input": "one", "voice": "alloy", **change}
    reply = httpx.post(f"{client.base_url}audio/speech", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
