"""Writes `torchaudio_mel.npz`: log-mel reference values by torchaudio's own Python code.

    python tests/data/make_golden.py SOURCE        # SOURCE: a folder that holds `torchaudio/`

torchaudio is not installed for this, and nothing of ours is imported: SOURCE is its wheel, unpacked, with the
compiled libraries (`torchaudio/lib`) removed; README.md has the commands.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

SEED = 20240731
SAMPLE_RATE = 16_000  # Hz
SAMPLES = 8_000
NUM_FFT, WINDOW, HOP = 512, 400, 160  # samples
NUM_MELS, LOW_HZ, HIGH_HZ = 80, 20.0, 8_000.0
FLOOR = 1e-6


def make_signal() -> np.ndarray:
    """Half a second of a chirp, noise that fades, a click and a pause: (samples,) int16."""
    time_s = np.arange(SAMPLES) / SAMPLE_RATE
    chirp = 0.4 * np.sin(2 * np.pi * (100 + 6_000 * time_s) * time_s)
    noise = 0.2 * np.random.default_rng(SEED).standard_normal(SAMPLES) * np.exp(-6 * time_s)
    signal = chirp + noise
    signal[3_000] = 0.9
    signal[5_000:6_000] = 0.0
    return np.round(signal.clip(-1, 1) * 32_767).astype(np.int16)


def main(source: Path) -> None:
    """Compute and store the values."""
    sys.path.insert(0, str(source))
    import torchaudio

    assert Path(torchaudio.__file__).is_relative_to(source.resolve()), "another torchaudio was imported"
    signal = make_signal()
    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=SAMPLE_RATE,
        n_fft=NUM_FFT,
        win_length=WINDOW,
        hop_length=HOP,
        f_min=LOW_HZ,
        f_max=HIGH_HZ,
        n_mels=NUM_MELS,
        power=2.0,
        center=False,
        norm=None,
        mel_scale="htk",
    )
    edge = (NUM_FFT - HOP) // 2  # zeros before and after
    audio = torch.nn.functional.pad(torch.from_numpy(signal).float() / 32_768, (edge, edge))
    filters = torchaudio.functional.melscale_fbanks(
        NUM_FFT // 2 + 1, LOW_HZ, HIGH_HZ, NUM_MELS, SAMPLE_RATE, norm=None, mel_scale="htk"
    )
    path = Path(__file__).with_name("torchaudio_mel.npz")
    np.savez_compressed(
        path,
        signal=signal,
        log_mel=transform(audio).clamp(min=FLOOR).log().T.numpy(),  # (frames, mels) float32
        filters=filters.numpy(),  # (bins, mels) float32
        torchaudio=np.array(torchaudio.__version__),
        torch=np.array(torch.__version__),
    )
    print(path.name, path.stat().st_size, "bytes, sha256", hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
