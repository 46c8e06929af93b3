"""Our run of the voice activity network equals the package's own, whole and streamed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from llama_speech.voice_activity import WINDOW_SAMPLES, load_voice_activity, packaged_network
from speech_core.audio import load_audio
from speech_core.errors import CheckpointError

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    audio = load_audio(SAMPLES[0])
    return torch.from_numpy(audio[: audio.size // WINDOW_SAMPLES * WINDOW_SAMPLES])[None]


def test_equals_the_network_of_the_package(speech):
    reference = packaged_network()
    with torch.inference_mode():
        expected = [
            reference(speech[0, start : start + WINDOW_SAMPLES], 16000).item()
            for start in range(0, speech.shape[1], WINDOW_SAMPLES)
        ]
    model = load_voice_activity()
    probabilities, _ = model.step(speech, model.init_state())
    assert np.allclose(probabilities[0].numpy(), expected, atol=1e-4)
    assert max(expected) > 0.9
    assert min(expected) < 0.1


def test_streaming_equals_offline(speech):
    model = load_voice_activity()
    whole, _ = model.step(speech, model.init_state())
    rng = np.random.default_rng(0)
    for _ in range(5):
        state, parts, start = model.init_state(), [], 0
        while start < speech.shape[1]:
            end = start + int(rng.integers(0, 20)) * WINDOW_SAMPLES
            part, state = model.step(speech[:, start:end], state)
            parts.append(part)
            start = min(end, speech.shape[1])
        assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


def test_batch_equals_single(speech):
    model = load_voice_activity()
    both = torch.cat([speech, speech.flip(1)])
    batch, _ = model.step(both, model.init_state(2))
    for row in range(2):
        single, _ = model.step(both[row : row + 1], model.init_state())
        assert torch.allclose(batch[row : row + 1], single, atol=1e-5)


def test_state_can_be_forked(speech):
    model = load_voice_activity()
    half = speech.shape[1] // WINDOW_SAMPLES // 2 * WINDOW_SAMPLES
    _, state = model.step(speech[:, :half], model.init_state())
    kept = tuple(part.clone() for part in state)
    first, _ = model.step(speech[:, half:], state)
    model.step(torch.zeros(1, 5 * WINDOW_SAMPLES), state)
    second, _ = model.step(speech[:, half:], state)
    assert torch.equal(first, second)
    assert all(torch.equal(before, after) for before, after in zip(kept, state, strict=True))


def test_loading_does_not_touch_the_threads_of_the_process():
    before = torch.get_num_threads()
    load_voice_activity.cache_clear()
    load_voice_activity()
    assert torch.get_num_threads() == before


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="the weights of silero-vad are missing: pip install"):
        packaged_network()
