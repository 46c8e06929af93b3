"""How good synthetic speech sounds to a model of listeners, and whether one voice says all of it.

DNSMOS (Reddy et al., arXiv 2110.01763): opinion scores, 1 to 5, of speech, background and the whole, and of
ITU-T P.808, by the networks that the package `speechmos` (MIT) carries. Voices are compared by the speaker
embeddings of Wan et al. (arXiv 1710.10467) with the weights that the package `resemblyzer` (Apache-2.0)
carries. Both are optional, neither needs a network connection.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_core.audio import load_array
from speech_core.errors import ConfigError
from speech_core.pcm import Audio

Embedding = NDArray[np.float32]  # (256,), of length 1
SCORES = {"sig_mos": "SIG", "bak_mos": "BAK", "ovrl_mos": "OVRL", "p808_mos": "P.808"}
_RATE_HZ = 16_000
_LOUDNESS_DB = -30.0  # quieter sound is lifted to it before its voice is compared
_WINDOW_FRAMES, _STEP_FRAMES = 160, 77  # of 10 ms
_MELS, _FFT, _HOP = 40, 400, 160


def dnsmos() -> Callable[[Audio, int], dict[str, float]]:
    """The scorer: (samples,) and their rate to the scores of SCORES. Raises ConfigError without speechmos."""
    try:
        from speechmos import dnsmos as scorer
    except ImportError as error:
        raise ConfigError(
            f"DNSMOS needs `pip install llama-speech[quality]` ({error.name} is missing): "
            "or leave out --quality"
        ) from None

    def score(samples: Audio, sample_rate: int) -> dict[str, float]:
        found = scorer.run(np.clip(load_array(samples, sample_rate, _RATE_HZ), -1.0, 1.0), _RATE_HZ)
        return {title: float(found[name]) for name, title in SCORES.items()}

    return score


class VoiceEncoder(nn.Module):
    """Sound of any length to a vector that tells voices apart: an LSTM over log-free mel frames."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_MELS, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict({name: state[name] for name in self.state_dict()})
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def embed(self, samples: Audio, sample_rate: int) -> Embedding:
        """The voice of (samples,): the mean over windows of 1.6 s, of length 1."""
        mels = torch.from_numpy(_mel_frames(load_array(samples, sample_rate, _RATE_HZ)))
        missing = max(0, _WINDOW_FRAMES - len(mels))
        windows = nn.functional.pad(mels, (0, 0, 0, missing)).unfold(0, _WINDOW_FRAMES, _STEP_FRAMES)
        vectors = self(windows.transpose(1, 2))
        return np.asarray(nn.functional.normalize(vectors.mean(0), dim=0), dtype=np.float32)

    def forward(self, windows: Tensor) -> Tensor:
        """(windows, 160, 40) -> (windows, 256), each of length 1."""
        _, (hidden, _) = self.lstm(windows)
        return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


def _mel_frames(audio: Audio) -> NDArray[np.float32]:
    """Power in mel bands, (frames, 40), of sound at 16 kHz at the loudness the encoder was trained at."""
    import librosa

    loudness_db = 10 * np.log10(max(float(np.mean(np.square(audio))), 1e-12))
    audio = audio * 10 ** (max(0.0, _LOUDNESS_DB - loudness_db) / 20)
    mels = librosa.feature.melspectrogram(y=audio, sr=_RATE_HZ, n_fft=_FFT, hop_length=_HOP, n_mels=_MELS)
    return np.ascontiguousarray(mels.T, dtype=np.float32)


def load_voice_encoder() -> VoiceEncoder:
    """The encoder with its weights. Raises ConfigError when the packages that it needs are missing."""
    found = importlib.util.find_spec("resemblyzer")
    path = Path(found.origin).parent / "pretrained.pt" if found and found.origin else None
    if path is None or not path.exists() or importlib.util.find_spec("librosa") is None:
        raise ConfigError(
            "speaker embeddings need `pip install librosa` and `pip install --no-deps resemblyzer` "
            "(its weights; what it depends on is not used): or leave out --speakers"
        )
    return VoiceEncoder(path)


def consistency(voices: Sequence[Embedding]) -> list[float]:
    """Cosine of each sentence's voice to the mean of the other sentences; empty for fewer than two."""
    if len(voices) < 2:
        return []
    total = np.sum(voices, axis=0)
    return [likeness(voice, total - voice) for voice in voices]


def likeness(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Cosine of two vectors."""
    return float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))
