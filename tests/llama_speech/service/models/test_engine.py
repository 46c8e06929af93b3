import queue
import threading
from typing import Any

import numpy as np
import pytest

from llama_speech.service.conversation.outbox import Message, Recognize, StartReply
from llama_speech.service.models import engine as engine_module
from llama_speech.service.models.engine import EngineOptions, LocalEngine
from llama_speech.service.models.products import Failed, Finished, Said, Sound
from tests.fakes import tone
from tests.llama_speech.service.tone_voice import ToneVoice


@pytest.fixture(scope="module")
def engine(tiny_model):
    options = EngineOptions(max_answer_tokens=12, max_context_tokens=300)
    engine = LocalEngine(tiny_model.parts.loaded, tiny_model.languages, ToneVoice(), options)
    yield engine
    engine.close()


def ask(engine, text="hello", session="s", **options):
    """All products of an answer."""
    found: queue.Queue[Any] = queue.Queue()
    speak = options.pop("speak", False)
    engine.reply(session, StartReply(1, (Message("user", text),), None, speak, **options), found.put)
    products: list[Any] = []
    while not products or not isinstance(products[-1], Finished | Failed):
        products.append(found.get(timeout=60))
    return products


def text_of(products):
    return "".join(one.text for one in products if isinstance(one, Said))


def test_an_answer_comes_in_pieces_and_ends_once(engine):
    products = ask(engine)
    assert isinstance(products[-1], Finished)
    assert products[-1].output_tokens == len(products) - 1 > 0
    assert products[-1].input_tokens > 5


def test_answers_at_the_same_time_are_those_given_alone(engine):
    texts = ["hello", "what time is it", "x"]
    alone = [text_of(ask(engine, text, f"alone-{text}")) for text in texts]
    results = {}
    threads = [
        threading.Thread(
            target=lambda text=text: results.update({text: text_of(ask(engine, text, f"both-{text}"))})
        )
        for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[text] for text in texts] == alone


def test_an_answer_is_spoken(engine):
    products = ask(engine, speak=True)
    assert sum(one.audio.size for one in products if isinstance(one, Sound)) % ToneVoice.word_samples == 0
    assert isinstance(products[-1], Finished)


def test_a_stopped_answer_falls_silent(engine):
    found: queue.Queue[Any] = queue.Queue()
    command = StartReply(1, (Message("user", "hello"),), 200, False)
    reply = engine.reply("s", command, found.put)
    found.get(timeout=60)
    reply.stop()
    reply.stop()
    ask(engine, "after", "t")  # the thread is done with the first by then
    rest = [found.get() for _ in range(found.qsize())]
    assert not [one for one in rest if isinstance(one, Finished)]


def test_what_does_not_fit_fails_in_words(engine):
    (failed,) = ask(engine, "x" * 1_000, drop_oldest=False)
    assert isinstance(failed, Failed)
    assert "shorten" in failed.message


def recognize(engine, audio, language=None):
    found: queue.Queue[Any] = queue.Queue()
    engine.recognize(Recognize(1, audio, language), lambda text, error, speech=(): found.put((text, error)))
    return found.get(timeout=60)


def test_words_are_those_of_the_recognizer(engine, tiny_model):
    audio = tone(300, 1.0) + tone(800, 1.0)
    text, error = recognize(engine, audio)
    assert error is None
    assert text == tiny_model.transcribe(audio, sample_rate=16_000, vad=False).text


def test_long_turns_are_cut(engine):
    rng = np.random.default_rng(0)
    text, error = recognize(engine, (rng.standard_normal(16_000 * 32) * 0.1).astype(np.float32))
    assert error is None
    assert len(text.split()) > 1


def test_captions_wait_for_a_first_sound_and_interruptions_do_not(tiny_model, monkeypatch):
    """The order in which the thread takes what it is asked for, one loop after the other."""
    monkeypatch.setattr(engine_module, "_LONG_WAIT_S", 1_000.0)
    engine = LocalEngine(tiny_model.parts.loaded, tiny_model.languages, ToneVoice())
    engine.close()  # the thread: its steps are taken by hand
    heard, products, audio = [], [], tone(300, 0.5)

    def ask(name, urgent):
        command = Recognize(1, audio, partial=True, urgent=urgent)
        engine._partials.add((command, lambda text, error, speech=(): heard.append(name)))

    command = StartReply(1, (Message("user", "hello"),), 50, True, listened=True)
    engine.reply("s", command, products.append)
    engine._take_steps()
    engine._listen_and_begin()
    ask("shown", False)
    ask("may stop an answer", True)
    engine._listen_and_begin()
    engine._listen_and_begin()
    assert heard == ["may stop an answer"]
    command.marks.sound()
    engine._listen_and_begin()
    assert heard == ["may stop an answer", "shown"]


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_almost_nothing_has_no_words(engine, samples):
    assert recognize(engine, np.zeros(samples, dtype=np.float32)) == ("", None)


def test_an_unknown_language_is_an_error_of_that_turn(engine):
    text, error = recognize(engine, tone(300, 1.0), "tlh")
    assert text == ""
    assert "tlh" in error
    assert recognize(engine, tone(300, 1.0), "en")[1] is None


def test_turns_are_judged(engine):
    found: queue.Queue[Any] = queue.Queue()
    engine.judge("what time is it", found.put)
    assert 0 <= found.get(timeout=60) <= 1


def test_a_busy_engine_refuses(tiny_model):
    engine = LocalEngine(tiny_model.parts.loaded, (), None, EngineOptions(max_waiting=0))
    try:
        assert engine.voices == ()
        assert ask(engine) == [Failed("the server is busy", "rate_limit_exceeded")]
        assert recognize(engine, tone(300, 0.5)) == ("", "the server is busy")
    finally:
        engine.close()


def test_an_answer_whose_listener_fails_ends_alone(engine):
    """Nothing that goes wrong in one answer stops the thread that serves all."""

    def produced(product):
        raise ValueError("nobody listens")

    engine.reply("bad", StartReply(1, (Message("user", "hello"),), None, False), produced)
    engine.reply("bad", StartReply(2, (Message("user", "hello"),), None, True), produced)
    assert text_of(ask(engine, "hello"))


def test_when_decoding_fails_the_answers_of_the_moment_fail(engine, monkeypatch):
    def broken():
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine._batch, "step", broken)
        assert isinstance(ask(engine, "hello")[-1], Failed)
    assert isinstance(ask(engine, "hello")[-1], Finished)
