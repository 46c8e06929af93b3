import threading
import time
from functools import partial
from typing import Any

import pytest

from llama_speech.service.models import speaking
from llama_speech.service.models.products import Called, Failed, Finished, Said, Sound, SpokenMark
from llama_speech.service.models.speaking import ReplyWriter, SpeakingThread
from speech_core.events import TokenEvent
from tests.llama_speech.service.tone_voice import ToneStream, ToneVoice


def events(*texts):
    return [TokenEvent(number, text) for number, text in enumerate(texts)]


def written(*texts, tools=(), reason="end"):
    products: list[Any] = []
    writer = ReplyWriter(products.append, tools)
    for event in events(*texts):
        writer.said(event)
    writer.ended(reason, 7)
    return products


def test_text_comes_token_by_token():
    assert written("Hel", "lo") == [Said("Hel"), Said("lo"), Finished("end", 7, 2)]
    assert written("a", reason="length")[-1] == Finished("length", 7, 1)
    assert written("a", reason="loop")[-1] == Finished("end", 7, 1)


def test_a_call_is_no_text():
    products = written('{"name": "f", ', '"parameters": {"a": 1}}', tools=["f"])
    assert products == [Called("f", '{"a": 1}'), Finished("end", 7, 2)]


@pytest.mark.parametrize(
    ("texts", "tools"),
    [
        (('{"name": "g"}',), ["f"]),
        (('{"broken',), ["f"]),
        (("Yes", ' {"name": "f"}'), ["f"]),
        (('{"name": "f"}',), []),
    ],
)
def test_what_is_no_call_is_text(texts, tools):
    assert "".join(one.text for one in written(*texts, tools=tools) if isinstance(one, Said)) == "".join(
        texts
    )


def spoken(*texts, stop_after=None, voice=None):
    """Products of an answer that is spoken; silent after so many."""
    products, done = [], threading.Event()
    thread = SpeakingThread()

    def produced(product):
        products.append(product)
        if len(products) == stop_after:
            writer.stop()
        if isinstance(product, Finished | Failed):
            done.set()

    writer = ReplyWriter(produced, stream=(voice or ToneVoice()).start("tone", 1.0), thread=thread)
    for event in events(*texts):
        writer.said(event)
    writer.ended("end", 1)
    thread.close()
    assert done.is_set() or stop_after
    return products


def test_sound_follows_text_and_the_end_comes_last():
    products = spoken("It ", "is ", "noon.")
    sounds = [one for one in products if isinstance(one, Sound)]
    assert sum(one.audio.size for one in sounds) == 3 * ToneVoice.word_samples
    words = [word for one in sounds for word in one.words]
    assert [word.end_char for word in words] == [2, 5, 11]
    assert words[1] == SpokenMark(ToneVoice.word_samples, 2 * ToneVoice.word_samples, 5)
    assert products[-1] == Finished("end", 1, 3)


def test_a_stopped_answer_is_silent():
    assert len(spoken("a ", "b ", "c ", "d ", stop_after=2)) == 2


def test_an_answer_that_is_listened_to_is_made_as_it_is_needed(monkeypatch):
    """Four words of 0.2 s, of which 0.3 s are enough ahead; another answer is said meanwhile."""
    monkeypatch.setattr(speaking, "_AHEAD_S", 0.3)
    began, times = time.perf_counter(), {"listened": [], "read": []}
    thread, done = SpeakingThread(), threading.Event()

    def take(name, product):
        times[name].append((time.perf_counter() - began, product))
        if name == "listened" and isinstance(product, Finished):
            done.set()

    for name in times:
        stream = ToneVoice().start("tone", 1.0)
        writer = ReplyWriter(partial(take, name), (), stream, thread, listened=name == "listened")
        for event in events("a ", "b ", "c ", "d ", "e "):
            writer.said(event)
        writer.ended("end", 1)
    assert done.wait(20)
    thread.close()
    sounds = [at for at, product in times["listened"] if isinstance(product, Sound)]
    assert len(sounds) == 5
    assert all(at >= 0.2 * number - 0.3 for number, at in enumerate(sounds))
    assert sounds[-1] >= 0.5
    read = [at for at, product in times["read"] if isinstance(product, Finished)]
    assert read[0] < times["listened"][-1][0]


def test_what_is_queued_is_finished_when_the_thread_closes():
    thread, products = SpeakingThread(), []
    stream = ToneVoice().start("tone", 1.0)
    writer = ReplyWriter(products.append, (), stream, thread, listened=True)
    for event in events(*(["word "] * 40)):  # eight seconds
        writer.said(event)
    writer.ended("end", 1)
    began = time.perf_counter()
    thread.close()
    assert time.perf_counter() - began < 5
    assert isinstance(products[-1], Finished)


def test_a_synthesis_that_fails_ends_only_its_answer():
    class BrokenStream(ToneStream):
        def push(self, event):
            raise IndexError(event.token_id)

    class Broken(ToneVoice):
        def start(self, name, speed):
            return BrokenStream()

    products = spoken("a ", "b ", voice=Broken())
    assert [one for one in products if isinstance(one, Failed)] == [Failed("the synthesis failed")]
    assert not [one for one in products if isinstance(one, Finished)]
