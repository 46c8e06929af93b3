"""What /metrics shows: sessions, refusals, errors, and how long every stage takes. Nothing of any user."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

from llama_speech.service.operation import timing

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
STAGES = {
    "listening": "voice activity on one block of sound",
    "recognition": "the recognizer on one batch of turns",
    "recognition_total": "from the request to the words, waiting included",
    "foresee": "the beginning of a prompt, while the user speaks",
    "prefill": "the prompt of one answer and its first token",
    "decode_step": "one token of every answer",
    "first_token": "from the request to the first token, waiting included",
    "turn_to_first_sound": "from the confirmed end of a turn to the first sound sent",
    "turn_to_first_text": "from the confirmed end of a turn to the first text sent",
    "voice_to_voice": "from the last speech of the user to the first sound sent, silence included",
    "interruption": "from the first speech that interrupts to the last event of the answer",
    **{f"turn_{name}": f"of a turn: {meaning}" for name, meaning in timing.STAGES.items()},
}


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.common: dict[str, str] = {}  # labels of every line, as of one replica among many
        self.sessions = Gauge("llama_speech_sessions", "Sessions now", registry=self.registry)
        self.opened = Counter(
            "llama_speech_sessions_opened", "Sessions since the start", registry=self.registry
        )
        self.refused = Counter(
            "llama_speech_refused", "Connections and requests refused", ["reason"], registry=self.registry
        )
        self.closed = Counter(
            "llama_speech_sessions_closed", "Ended sessions", ["reason"], registry=self.registry
        )
        self.errors = Counter(
            "llama_speech_errors", "Errors told to clients", ["code"], registry=self.registry
        )
        self.requests = Counter(
            "llama_speech_requests", "HTTP requests", ["path", "status"], registry=self.registry
        )
        self._stages = Histogram(
            "llama_speech_stage_seconds",
            "Time of a stage",
            ["stage"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def observe(self, stage: str, seconds: float) -> None:
        """One duration of a stage of STAGES."""
        if stage not in STAGES:
            raise ValueError(f"there is no stage {stage!r}")
        self._stages.labels(stage).observe(seconds)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Observe how long a block takes."""
        start = time.perf_counter()
        yield
        self.observe(stage, time.perf_counter() - start)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        for metric in self.registry.collect():
            metric.samples = [one._replace(labels=one.labels | self.common) for one in metric.samples]
            yield metric
