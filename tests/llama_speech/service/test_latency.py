import numpy as np
import pytest

from llama_speech.service.latency import LoadResult, measure, question_of, summary, to_markdown
from llama_speech.service.timing import STAGES
from speech_core.errors import SpeechError
from speech_core.pcm import float_to_pcm16
from tests.fakes import tone


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
    assert figures["barge_in_ms"] == {"n": 0, "p50": None, "p95": None}
    assert sum(figures["stages_ms"].values()) == pytest.approx(800)
    assert sum(figures["shares"].values()) == pytest.approx(1, abs=0.01)
    table = to_markdown([figures, summary(LoadResult(4))])
    assert "| 2 | 4 | 3 | 800 | 890 | - | - |" in table
    assert "prefill" in table


def test_sessions_talk_over_the_socket(server, speech_pcm):
    question = question_of(speech_pcm[: 48_000 * 2])
    result = measure(server.websocket, "none", [question], (2, 2), server.service.watch_turns)
    server.service.watch_turns(None)
    assert result.turns == 4
    assert len(result.voice_to_voice_ms) + result.unheard + result.late == 4
    assert result.late == 0
    assert result.voice_to_voice_ms
    assert min(result.voice_to_voice_ms) > 400  # the silence that ends a turn is part of it
    assert set(result.stages_ms) == set(STAGES)
