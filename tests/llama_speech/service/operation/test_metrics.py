import pytest

from llama_speech.service.operation.metrics import STAGES, Metrics


def test_counters_are_shown_for_prometheus():
    metrics = Metrics()
    metrics.sessions.inc()
    metrics.refused.labels("invalid_api_key").inc()
    with metrics.time("decode_step"):
        pass
    shown = metrics.text().decode()
    assert "llama_speech_sessions 1.0" in shown
    assert 'llama_speech_refused_total{reason="invalid_api_key"} 1.0' in shown
    assert 'llama_speech_stage_seconds_count{stage="decode_step"} 1.0' in shown


def test_two_servers_count_apart():
    one, other = Metrics(), Metrics()
    one.sessions.inc()
    assert "llama_speech_sessions 0.0" in other.text().decode()


def test_only_known_stages_are_observed():
    for stage in STAGES:
        Metrics().observe(stage, 0.1)
    with pytest.raises(ValueError, match="no stage 'lunch'"):
        Metrics().observe("lunch", 1)


def test_a_replica_labels_its_lines():
    metrics = Metrics()
    metrics.common["replica"] = "a"
    metrics.refused.labels("invalid_api_key").inc()
    shown = metrics.text().decode()
    assert 'llama_speech_sessions{replica="a"} 0.0' in shown
    assert 'llama_speech_refused_total{reason="invalid_api_key",replica="a"} 1.0' in shown
