"""The long run in short: the checks of `soak` see what they are for. SOAK_MINUTES makes it longer."""

import asyncio
import json
import os
import sys
from dataclasses import asdict

import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running, warm_up
from tests.llama_speech.service.conftest import make_service
from tests.llama_speech.service.soak import Question, Report, Soak, Told, questions_of, rss_mb


def test_some_sessions_for_a_moment(tiny_engine, tiny_model):
    minutes = float(os.environ.get("SOAK_MINUTES", "0.05"))
    service = make_service(tiny_engine, tiny_model, session_s=120 * minutes + 600)
    warm_up(service)
    with running(build_app(service), service) as url:
        soak = Soak(url, Report(sessions=2 if minutes < 1 else 8, minutes=minutes), answer_tokens=6)
        report = asyncio.run(soak.run(os.getpid()))
    service.close()
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    assert report.lost == report.leaks == []
    assert report.turns >= 2
    assert report.good
    assert report.rss_mb[0][1] > 50
    uninterrupted = report.turns - report.interrupted
    assert report.same_as_alone + sum(report.other_than_alone.values()) == uninterrupted


def test_every_session_has_its_own_questions():
    questions = [question for number in range(12) for question in questions_of(number)]
    assert len({(question.text, question.pcm) for question in questions}) == len(questions)


@pytest.fixture
def soak():
    made = Soak("http://x", Report(2, 1))
    made._alone = {
        "a": Told("i am a", "you are a", "completed"),
        "b": Told("i am b", "you are b", "completed"),
    }
    return made


@pytest.mark.parametrize(
    ("told", "leaks"),
    [
        (Told("i am a", "you are a", "completed"), 0),
        (Told("i am a", "another answer", "completed"), 0),
        (Told("i am a", "you are b", "completed"), 1),
        (Told("i am b", "", "completed"), 1),
    ],
)
def test_what_belongs_to_another_is_a_leak(soak, told, leaks):
    soak._check(Question("a"), told, answered=True)
    assert len(soak.report.leaks) == leaks
    same = told == soak._alone["a"]
    assert soak.report.same_as_alone == (1 if same else 0)
    differs = "words" if told.heard == "i am b" else "answer"
    assert soak.report.other_than_alone == ({} if same else {f"written: {differs}": 1})


def test_growing_memory_is_not_good():
    report = Report(1, 1, turns=1, rss_mb=[(minute / 10, 500.0) for minute in range(40)])
    assert report.good
    report.rss_mb = [(minute / 10, 500.0 + 10 * minute) for minute in range(40)]
    assert report.growth_mb == 200
    assert not report.good


def test_the_memory_of_a_process_that_is_gone():
    with pytest.raises(OSError, match="No such file"):
        rss_mb(2**22 + 1)
