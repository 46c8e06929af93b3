"""Small things done to a waveform before it becomes features: reading, resampling, loudness."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import AudioError

SAMPLE_RATE = 16_000  # Hz, of everything the recipes hold in memory

Waveform = NDArray[np.float32]  # (samples,), in [-1, 1]


def resample(audio: Waveform, from_hz: float, to_hz: float) -> Waveform:
    """Change the sample rate: (samples,) -> (about samples * to_hz / from_hz,)."""
    import soxr

    if from_hz == to_hz or audio.size == 0:
        return audio
    return np.asarray(soxr.resample(audio, from_hz, to_hz), dtype=np.float32)


def read_audio(path: Path, start_s: float = 0.0, duration_s: float | None = None) -> Waveform:
    """A sound file, or a piece of it, as one channel at 16 kHz: (samples,).

    Raises AudioError if it cannot be read or holds no samples there.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            file.seek(round(start_s * rate))
            wanted = -1 if duration_s is None else round(duration_s * rate)
            audio = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path} cannot be read: {error}") from error
    if audio.shape[0] == 0:
        raise AudioError(f"{path} holds no samples: leave it out of the manifest")
    mono = np.ascontiguousarray(audio.mean(axis=1), dtype=np.float32)
    return resample(mono, rate, SAMPLE_RATE)


def active_rms(audio: Waveform, window_samples: int = 320) -> float:
    """Root mean square over the louder windows (within 30 dB of the loudest), so that pauses do not count."""
    if audio.size < window_samples:
        return float(np.sqrt(np.mean(np.square(audio), dtype=np.float64))) if audio.size else 0.0
    whole = audio[: audio.size // window_samples * window_samples].reshape(-1, window_samples)
    power = np.mean(np.square(whole, dtype=np.float64), axis=1)
    return float(np.sqrt(power[power >= power.max() * 1e-3].mean()))


def limit_peak(audio: Waveform, peak: float = 0.99) -> Waveform:
    """Scale down if any sample lies above `peak`; never scales up."""
    highest = float(np.abs(audio).max(initial=0.0))
    return audio if highest <= peak else (audio * (peak / highest)).astype(np.float32)


def normalize_loudness(audio: Waveform, level_db: float = -23.0) -> Waveform:
    """Bring the active level to `level_db` (dB of full scale), as far as the peak allows; silence stays."""
    level = active_rms(audio)
    if level <= 1e-6:
        return audio
    return limit_peak((audio * (10.0 ** (level_db / 20.0) / level)).astype(np.float32))


def trim_silence(audio: Waveform, keep_s: float = 0.15, below_db: float = 45.0) -> Waveform:
    """Cut leading and trailing windows `below_db` under the loudest one, keeping `keep_s` on each side."""
    window = SAMPLE_RATE // 100
    if audio.size < 2 * window:
        return audio
    whole = audio[: audio.size // window * window].reshape(-1, window)
    power = np.mean(np.square(whole, dtype=np.float64), axis=1)
    loud = np.flatnonzero(power > power.max() * 10.0 ** (-below_db / 10.0))
    if loud.size == 0:
        return audio
    keep = round(keep_s * SAMPLE_RATE)
    start = max(0, int(loud[0]) * window - keep)
    return audio[start : (int(loud[-1]) + 1) * window + keep]
