"""Voice activity: how likely each 32 ms of audio are speech.

Network and weights are those of silero-vad 6 (16 kHz), run for many windows at once and with the state as a
value, so that one set of weights serves any number of streams. The package itself is never imported: that
would set the number of threads of the whole process.
"""

import importlib.util
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from speech_core.errors import CheckpointError

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 512
_CONTEXT_SAMPLES = 64  # each window sees the end of the one before
_FFT_SAMPLES = 256
_BINS = _FFT_SAMPLES // 2 + 1
_WIDTH = 128


class VoiceState(NamedTuple):
    """Hidden and cell state (1, batch, 128), the last samples of the window before (batch, 64)."""

    hidden: Tensor
    cell: Tensor
    context: Tensor


class VoiceActivity(nn.Module):
    """Short-time spectrum, four convolutions, one LSTM over the windows, one probability a window."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, _FFT_SAMPLES, stride=_FFT_SAMPLES // 2, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, _WIDTH, 3, padding=1)
        self.lstm = nn.LSTM(_WIDTH, _WIDTH, batch_first=True)
        self.final_conv = nn.Conv1d(_WIDTH, 1, 1)

    def init_state(self, batch: int = 1) -> VoiceState:
        """The state before any audio."""
        zeros = torch.zeros(1, batch, _WIDTH)
        return VoiceState(zeros, zeros, torch.zeros(batch, _CONTEXT_SAMPLES))

    @torch.inference_mode()
    def step(self, audio: Tensor, state: VoiceState) -> tuple[Tensor, VoiceState]:
        """Probability of speech for each whole window.

        audio (batch, windows * 512) float32 at 16 kHz -> (batch, windows) in [0, 1], and the state after.
        """
        batch, samples = audio.shape
        windows = samples // WINDOW_SAMPLES
        if windows == 0:
            return audio.new_zeros(batch, 0), state
        joined = torch.cat([state.context, audio], dim=1)
        cut = joined.unfold(1, _CONTEXT_SAMPLES + WINDOW_SAMPLES, WINDOW_SAMPLES)  # (batch, windows, 576)
        features = self._features(cut.reshape(batch * windows, -1)).reshape(batch, windows, _WIDTH)
        hidden, (last_hidden, last_cell) = self.lstm(features, (state.hidden, state.cell))
        scores = self.final_conv(hidden.relu().transpose(1, 2))[:, 0]  # (batch, windows)
        return scores.sigmoid(), VoiceState(last_hidden, last_cell, joined[:, -_CONTEXT_SAMPLES:].clone())

    def _features(self, windows: Tensor) -> Tensor:
        """(windows, 576) samples -> (windows, 128)."""
        padded = nn.functional.pad(windows[:, None], (0, _CONTEXT_SAMPLES), mode="reflect")
        spectrum = self.stft_conv(padded)  # (windows, 2 * bins, 4): real parts, then imaginary parts
        magnitude = (spectrum[:, :_BINS].square() + spectrum[:, _BINS:].square()).sqrt()
        x: Tensor = self.conv1(magnitude).relu()
        x = self.conv2(x).relu()
        x = self.conv3(x).relu()
        x = self.conv4(x).relu()  # (windows, 128, 1)
        return x.squeeze(-1)


_NAMES = {  # names in the package's TorchScript archive -> ours
    "stft.forward_basis_buffer": "stft_conv.weight",
    **{
        f"encoder.{i}.reparam_conv.{part}": f"conv{i + 1}.{part}"
        for i in range(4)
        for part in ("weight", "bias")
    },
    **{f"decoder.rnn.{part}": f"lstm.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    **{f"decoder.decoder.2.{part}": f"final_conv.{part}" for part in ("weight", "bias")},
}


def packaged_network() -> Any:
    """The TorchScript network of the installed package. Raises CheckpointError if it is not installed."""
    spec = importlib.util.find_spec("silero_vad")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "data" / "silero_vad.jit" if folders else None
    if path is None or not path.is_file():
        raise CheckpointError("the weights of silero-vad are missing: pip install 'silero-vad>=6.2'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def load_voice_activity() -> VoiceActivity:
    """The network with the weights of the installed package; loaded once.

    Raises CheckpointError if silero-vad is missing or of another version.
    """
    found = {name.removeprefix("_model."): tensor for name, tensor in packaged_network().state_dict().items()}
    model = VoiceActivity()
    try:
        model.load_state_dict({ours: found[theirs] for theirs, ours in _NAMES.items()})
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"silero-vad has other weights than version 6 ({error}): install 6.2") from None
    return model.eval().requires_grad_(False)
