"""Log-mel: whole and streamed are equal, and both are what torchaudio and librosa define."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from speech_core.audio import load_audio
from speech_core.errors import InputError, StreamClosedError
from speech_encoder.config import FeatureConfig
from speech_encoder.features import LogMelStream, log_mel, mel_filters
from tests.streaming_checks import closed_after_flush, streaming_equals_offline

ROOT = Path(__file__).resolve().parents[2]
CONFIG = FeatureConfig()
HOP, EDGE = CONFIG.hop_samples, CONFIG.edge_samples


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """Two seconds of a person reading."""
    return torch.from_numpy(load_audio(ROOT / "samples" / "3607-135982-0000.flac"))[16_000:48_000]


@pytest.fixture(scope="module")
def golden():
    with np.load(ROOT / "tests" / "data" / "torchaudio_mel.npz") as stored:
        return {name: stored[name] for name in stored.files}


def test_filters_are_those_of_torchaudio(golden):
    np.testing.assert_allclose(mel_filters(CONFIG).numpy(), golden["filters"], atol=1e-5)


def test_features_equal_the_stored_values_of_torchaudio(golden):
    audio = torch.from_numpy(golden["signal"]).float() / 32_768
    expected = golden["log_mel"]
    assert expected.shape == (len(audio) // HOP, CONFIG.num_mels)
    assert expected.min() == pytest.approx(math.log(CONFIG.floor))  # the pause is in it
    np.testing.assert_allclose(log_mel(audio, CONFIG).numpy(), expected, atol=2e-4)


def test_features_equal_librosa(speech):
    import librosa

    padded = np.pad(speech.numpy(), EDGE)
    power = librosa.feature.melspectrogram(
        y=padded, sr=16_000, n_fft=512, win_length=400, hop_length=160, center=False,
        power=2.0, n_mels=80, fmin=20.0, fmax=8_000.0, htk=True, norm=None,
    )  # fmt: skip
    expected = np.log(np.maximum(power, CONFIG.floor)).T
    np.testing.assert_allclose(log_mel(speech, CONFIG).numpy(), expected, atol=5e-4)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 335, 336, 337, 1600, 1759])
def test_there_is_one_frame_for_each_whole_hop(samples):
    features = log_mel(noise(samples), CONFIG)
    assert features.shape == (samples // HOP, 80)
    assert features.dtype == torch.float32


def test_silence_is_the_floor_and_loudness_is_added():
    assert torch.allclose(log_mel(torch.zeros(1600), CONFIG), torch.tensor(math.log(CONFIG.floor)))
    quiet = log_mel(noise(1600), CONFIG)
    assert torch.allclose(log_mel(2 * noise(1600), CONFIG), quiet + math.log(4), atol=1e-4)


@pytest.mark.parametrize("frequency_hz", [100.0, 440.0, 1000.0, 3500.0, 7000.0])
def test_a_tone_lies_in_the_bin_of_its_frequency(frequency_hz):
    time_s = torch.arange(8_000) / 16_000
    features = log_mel(torch.sin(2 * math.pi * frequency_hz * time_s), CONFIG)[10:-10]

    def to_mel(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    width = (to_mel(8_000) - to_mel(20)) / 81
    expected = (to_mel(frequency_hz) - to_mel(20)) / width - 1
    assert abs(float(features.mean(0).argmax()) - expected) <= 1.0


@pytest.mark.parametrize("samples", [0, 1, HOP - 1, HOP, HOP + 1, EDGE, 512, 513, 1711])
def test_streaming_equals_offline(samples):
    audio = noise(samples)
    streaming_equals_offline(lambda: LogMelStream(CONFIG), audio, log_mel(audio, CONFIG), tolerance=1e-4)


def test_streaming_equals_offline_on_speech(speech):
    stream, parts = LogMelStream(CONFIG), []
    for start in range(0, len(speech), 777):
        parts.append(stream.push(speech[start : start + 777]))
    parts.append(stream.flush())
    torch.testing.assert_close(torch.cat(parts), log_mel(speech, CONFIG), atol=1e-4, rtol=0)


def test_stream_is_closed_after_flush():
    closed_after_flush(lambda: LogMelStream(CONFIG), noise(1000))
    stream = LogMelStream(CONFIG)
    stream.flush()
    with pytest.raises(StreamClosedError, match="LogMelStream"):
        stream.push(noise(1))


def test_a_frame_comes_as_early_as_its_delay_says():
    stream = LogMelStream(CONFIG)
    came: list[int] = []
    for given, sample in enumerate(noise(1000).split(1), start=1):
        came += [given] * len(stream.push(sample))
    assert came == [(frame + 1) * HOP + stream.delay_samples for frame in range(len(came))]
    assert len(came) == 5


def test_future_does_not_leak():
    audio = noise(3200)
    clean = log_mel(audio, CONFIG)
    for frame in (3, 11):
        later = audio.clone()
        later[(frame + 1) * HOP + EDGE :] = 1.0
        changed = log_mel(later, CONFIG)
        assert torch.equal(changed[: frame + 1], clean[: frame + 1])
        assert not torch.equal(changed[frame + 1 :], clean[frame + 1 :])


def test_state_is_bounded():
    stream = LogMelStream(CONFIG)
    for seed in range(30):
        stream.push(noise(997, seed))
        assert stream._buffer.numel() < CONFIG.num_fft
        assert stream._buffer.untyped_storage().nbytes() <= 4 * CONFIG.num_fft  # no view of all that came


@pytest.mark.parametrize("shape", [(2, 1600), (1, 1600), ()])
def test_more_than_one_channel_is_refused(shape):
    audio = torch.zeros(shape)
    with pytest.raises(InputError, match="one channel"):
        log_mel(audio, CONFIG)
    with pytest.raises(InputError, match="one channel"):
        LogMelStream(CONFIG).push(audio)


def test_other_front_ends_stream_too():
    config = FeatureConfig(sample_rate=8_000, num_fft=256, window_samples=200, hop_samples=80,
                           num_mels=40, low_hz=0.0, high_hz=4_000.0)  # fmt: skip
    audio = noise(1234)
    streaming_equals_offline(lambda: LogMelStream(config), audio, log_mel(audio, config), tolerance=1e-4)
