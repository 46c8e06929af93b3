import time

import numpy as np
import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.latency import (
    LoadResult,
    _Ears,
    measure,
    question_of,
    summary,
    to_markdown,
)
from llama_speech.service.operation.run import running
from llama_speech.service.operation.timing import STAGES
from speech_core.errors import SpeechError
from speech_core.pcm import float_to_pcm16
from tests.fakes import tone
from tests.llama_speech.service.conftest import Running, make_service


def test_where_a_question_can_be_heard():
    pcm = bytes(4_800) + float_to_pcm16(np.asarray(tone(440, 0.5, 24_000))) + bytes(9_600)
    question = question_of(pcm)
    assert question.onset_s == pytest.approx(0.1, abs=0.002)
    assert question.end_s == pytest.approx(0.6, abs=0.002)
    with pytest.raises(SpeechError, match="silent"):
        question_of(bytes(4_800))


def test_the_summary_has_percentiles_and_shares():
    result = LoadResult(2, turns=4, unheard=1)
    result.voice_to_voice_ms = [700.0, 800.0, 900.0]
    result.stages_ms = {name: [50.0, 150.0] for name in STAGES}
    figures = summary(result)
    assert figures["voice_to_voice_ms"] == {"n": 3, "p50": 800, "p95": 890}
    assert figures["barge_in_ms"] == figures["told_ms"] == {"n": 0, "p50": None, "p95": None}
    assert figures["gaps"] == {"n": 0, "ms_per_min": None}
    assert sum(figures["stages_ms"].values()) == pytest.approx(800)
    assert sum(figures["shares"].values()) == pytest.approx(1, abs=0.01)
    slow = LoadResult(4, turns=1, cut=True, gaps_ms=[30.0], played_ms=120_000.0)
    table = to_markdown([figures, summary(slow)])
    assert "| 2 | 4 | 3 | 800 | 890 | - | - | - | - | - |" in table
    assert "| 4 | 1 (cut off) | 0 | - | - | - | - | - | - | 15.0 |" in table
    assert "prefill" in table


def test_what_a_user_hears_of_an_answer():
    result = LoadResult(1)
    ears = _Ears(result)
    began = time.perf_counter()
    ears.sound("one", 40)
    ears.sound("one", 40)
    time.sleep(0.12)
    ears.sound("one", 30)
    assert [round(gap, -1) for gap in result.gaps_ms] == [pytest.approx(40, abs=30)]
    ears.sound("two", 1_000)
    assert ears.drop() - began < 0.5  # dropped, not played to its end
    ears.sound("two", 20)
    time.sleep(0.06)
    silent = ears.drop()
    assert time.perf_counter() - silent > 0.03  # it was silent before it was dropped
    assert result.played_ms == 1_130


@pytest.fixture
def paced(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, lead_ms=80)
    service.ready = True
    with running(build_app(service), service) as url:
        yield Running(url, service)
    service.close()


def test_sessions_talk_over_the_socket(paced, speech_pcm):
    question = question_of(speech_pcm[: 48_000 * 2])
    result = measure(paced.websocket, "none", [question], (2, 2), paced.service.watch_turns)
    assert not result.cut
    assert result.turns == 4
    assert len(result.voice_to_voice_ms) + result.unheard + result.late == 4
    assert result.late == 0
    assert result.voice_to_voice_ms
    assert min(result.voice_to_voice_ms) > 400  # the silence that ends a turn is part of it
    assert set(result.stages_ms) == set(STAGES)
    assert len(result.barge_in_ms) == len(result.told_ms)
    assert all(silent <= told for silent, told in zip(result.barge_in_ms, result.told_ms, strict=True))
    assert result.played_ms > 0
