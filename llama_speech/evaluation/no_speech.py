"""The test that audio without speech gives no words: minutes of silence, white and pink noise, and music."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.transcripts import Progress, transcribe_files
from speech_core.errors import InputError

SAMPLE_RATE_HZ = 16000
NOISE_RMS = 0.05  # about -26 dB of full scale, a loud room
AUDIO_SUFFIXES = (".opus", ".ogg", ".flac", ".wav", ".mp3", ".m4a")


@dataclass(frozen=True)
class NoSpeechResult:
    """What one system wrote for one kind of audio without speech; words hold a letter or digit."""

    kind: str
    system: str
    audio_s: float
    words: int
    text: str
    error: str | None


def pink_noise(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise whose power falls as 1/f, with RMS 1: white noise shaped in the frequency domain."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[0] = 0.0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, samples)
    noise /= np.sqrt(np.mean(noise**2))
    return np.asarray(noise, dtype=np.float32)


def looped_music(folder: Path, samples: int) -> NDArray[np.float32]:
    """Return the music files of a folder one after the other, looped, at 16 kHz. Raises InputError without
    any.
    """
    from speech_core.audio import load_audio

    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise InputError(f"{folder} holds no music: it needs {', '.join(AUDIO_SUFFIXES)} files")
    pieces = np.concatenate([load_audio(path, SAMPLE_RATE_HZ) for path in files])
    return np.resize(pieces, samples).astype(np.float32)


def make_no_speech_files(folder: Path, minutes: float, music: Path | None, seed: int = 0) -> dict[str, Path]:
    """Write one file of each kind into `folder`; return kind -> file. Music only with a
    folder.
    """
    from speech_core.audio import write_wav

    samples = int(minutes * 60 * SAMPLE_RATE_HZ)
    if samples < 1:
        raise InputError(f"{minutes} minutes without speech: give more than 0")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    sounds = {
        "silence": np.zeros(samples, dtype=np.float32),
        "white noise": NOISE_RMS * rng.standard_normal(samples, dtype=np.float32),
        "pink noise": NOISE_RMS * pink_noise(samples, rng),
    }
    if music is not None:
        sounds["music"] = looped_music(music, samples)
    files = {kind: folder / f"{kind.replace(' ', '-')}-{minutes:g}min-seed{seed}.wav" for kind in sounds}
    for kind, audio in sounds.items():
        write_wav(files[kind], audio, SAMPLE_RATE_HZ)
    return files


def count_words(text: str) -> int:
    """Return how many space-separated pieces hold a letter or a digit."""
    return sum(any(char.isalnum() for char in piece) for piece in text.split())


def evaluate_no_speech(
    files: dict[str, Path],
    minutes: float,
    recognizers: Sequence[Recognizer],
    cache_dir: Path,
    progress: Progress | None = None,
) -> list[NoSpeechResult]:
    """Return the words each system wrote for each file without speech. A failed file counts 0 words and its
    error.
    """
    results = []
    for recognizer in recognizers:
        made = transcribe_files(recognizer, list(files.values()), cache_dir, progress)
        for kind, item in zip(files, made, strict=True):
            words = count_words(item.text)
            results.append(NoSpeechResult(kind, recognizer.name, minutes * 60, words, item.text, item.error))
    return results
