import builtins

import numpy as np
import pytest
import torch

from llama_speech.evaluation import speech_quality
from llama_speech.evaluation.speech_quality import (
    VoiceEncoder,
    consistency,
    dnsmos,
    likeness,
    load_voice_encoder,
)
from speech_core.errors import ConfigError
from speech_synthesis.config import VOCODER_PRESETS
from speech_synthesis.vocoder import Vocoder
from tests.voice_parts import typical_frames


def buzz(hz, frames=200):
    """A level voice-like sound, 24 kHz."""
    config = VOCODER_PRESETS["tiny"]
    sound = Vocoder(config).eval()(typical_frames([hz] * frames, config.frames))
    return sound.detach().numpy()


@pytest.fixture
def encoder(tmp_path):
    """The network with random weights, by way of a file as in the package."""
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(40, 256, num_layers=3), torch.nn.Linear(256, 256)
    state = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    torch.save({"step": 1, "model_state": state | {"similarity_weight": torch.ones(1)}}, tmp_path / "v.pt")
    return VoiceEncoder(tmp_path / "v.pt")


def test_a_voice_is_a_direction_whatever_the_length_and_loudness(encoder):
    pytest.importorskip("librosa")
    sound = buzz(150.0, 400)
    whole, short = encoder.embed(sound, 24_000), encoder.embed(sound[:6000], 24_000)
    for vector in (whole, short):
        assert vector.shape == (256,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    quiet = [encoder.embed(gain * sound, 24_000) for gain in (0.01, 0.02)]
    assert likeness(*quiet) == pytest.approx(1.0, abs=1e-4)


def test_voices_that_agree_are_consistent():
    one, other = np.eye(4, dtype=np.float32)[:2]
    assert consistency([one, one, one]) == pytest.approx([1.0] * 3)
    mixed = consistency([one, one, other])
    assert mixed[2] == pytest.approx(0.0)
    assert mixed[0] == pytest.approx(0.5**0.5)
    assert consistency([one]) == []


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(speech_quality.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps resemblyzer"):
        load_voice_encoder()
    true_import = builtins.__import__

    def refuse(name, *rest):
        if name == "speechmos":
            raise ImportError(name, name=name)
        return true_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"llama-speech\[quality\]"):
        dnsmos()


@pytest.mark.slow
def test_speech_scores_better_than_noise():
    pytest.importorskip("speechmos")
    score = dnsmos()
    noise = np.random.default_rng(0).normal(0, 0.2, 48_000).astype(np.float32)
    worse, better = score(noise, 24_000), score(buzz(180.0), 24_000)
    assert set(better) == {"SIG", "BAK", "OVRL", "P.808"}
    assert all(1.0 <= value <= 5.0 for value in better.values())
    assert better["BAK"] > worse["BAK"]


@pytest.mark.slow
def test_the_packaged_weights_tell_voices_apart():
    if speech_quality.importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("resemblyzer is not installed")
    encoder = load_voice_encoder()
    low, same, high = (encoder.embed(buzz(hz), 24_000) for hz in (110.0, 115.0, 300.0))
    assert likeness(low, same) > likeness(low, high)
