"""A running server with a tiny model and a voice of tones, shared by all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llama_speech.api import SpeechLlama
from llama_speech.service.endpoints.app import build_app
from llama_speech.service.models.engine import EngineOptions, LocalEngine
from llama_speech.service.operation.config import Limits, ServiceConfig
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.run import running, warm_up
from llama_speech.service.operation.server import Service
from speech_core.audio import load_audio
from speech_core.pcm import float_to_pcm16
from tests.llama_speech.service.tone_voice import ToneVoice

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "3607-135982-0000.flac"


@dataclass(frozen=True)
class Running:
    """A server and its address."""

    url: str
    service: Service

    @property
    def websocket(self) -> str:
        """The address of the realtime socket."""
        return self.url.replace("http", "ws", 1) + "/v1/realtime"


@pytest.fixture(scope="session")
def tiny_engine(tiny_model: SpeechLlama) -> Iterator[LocalEngine]:
    assert tiny_model.parts.loaded is not None
    metrics, options = Metrics(), EngineOptions(max_answer_tokens=24)
    engine = LocalEngine(tiny_model.parts.loaded, tiny_model.languages, ToneVoice(), options, metrics)
    yield engine
    engine.close()


def make_service(engine: LocalEngine, model: SpeechLlama, **settings: object) -> Service:
    """A service on any free port; sound is not paced unless `lead_ms` says so."""
    settings.setdefault("lead_ms", 3_600_000)
    limits = {name: settings.pop(name) for name in list(settings) if name in Limits.__dataclass_fields__}
    config = ServiceConfig(port=0, limits=Limits(**limits), **settings)  # type: ignore[arg-type]
    return Service(config, engine, Metrics(), model)


@pytest.fixture(scope="session")
def server(tiny_engine: LocalEngine, tiny_model: SpeechLlama) -> Iterator[Running]:
    service = make_service(tiny_engine, tiny_model)
    warm_up(service)
    with running(build_app(service), service) as url:
        yield Running(url, service)
    service.close()


@pytest.fixture(scope="session")
def speech_pcm() -> bytes:
    """Recorded speech of a few seconds and silence behind it, as it travels."""
    return float_to_pcm16(load_audio(SAMPLE, 24_000)[: 24_000 * 4]) + bytes(48_000)
