"""Synthesizers that speak training sentences, behind one interface, each with a new voice for every sentence.

Licences are those of the voices; the speech is credited in the model card. Kept out of all training, as
unseen test voices: flite awb, Kokoro, Piper joe.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recipes.data.waveforms import SAMPLE_RATE, Waveform, limit_peak, resample
from speech_core.errors import AudioError, InputError

Settings = dict[str, Any]  # JSON values: what was drawn for one sentence
_TIMEOUT_S = 60.0  # a teacher program that hangs is an error


class Teacher(Protocol):
    """One synthesizer. `speak` draws a voice from `rng`; equal generators give equal voices."""

    name: str
    licence: str

    def speak(self, text: str, rng: np.random.Generator) -> tuple[Waveform, Settings]:
        """Speech at 16 kHz, (samples,), and the voice settings. Raises AudioError if nothing was spoken."""
        ...


@dataclass(frozen=True)
class HibariVoice:
    """How the voice of hibari is changed between its network and the waveform."""

    pitch: float = 1.0  # factor of F0
    contour: float = 1.0  # F0 movement about its mean, in log; 0 is monotone
    formants: float = 1.0  # stretch of the frequency axis of the envelopes; below 1 is a longer vocal tract
    tilt_db: float = 0.0  # per octave above 500 Hz, of all branches
    breath_db: float = 0.0  # of the noise branch
    pace: float = 1.0  # of the network
    seed: int = 0  # of the noise


def draw_hibari_voice(rng: np.random.Generator) -> HibariVoice:
    """A random speaker: low voices mostly have long vocal tracts."""
    pitch = float(np.exp(rng.uniform(np.log(0.5), np.log(1.4))))
    likely = float(np.interp(pitch, [0.5, 0.75, 1.0, 1.4], [0.86, 0.92, 1.0, 1.1]))
    return HibariVoice(
        pitch=round(pitch, 3),
        contour=round(float(rng.uniform(0.6, 1.6)), 2),
        formants=round(float(np.clip(likely + rng.normal(0.0, 0.045), 0.8, 1.18)), 3),
        tilt_db=round(float(rng.normal(0.0, 1.5)), 2),
        breath_db=round(float(rng.uniform(-3.0, 5.0)), 1),
        pace=round(float(rng.uniform(0.8, 1.35)), 3),
        seed=int(rng.integers(2**31)),
    )


class HibariTeacher:
    """hibari "heart", its pitch, contour, formants, tilt, breath and pace changed at random."""

    name = "hibari"
    licence = "Apache-2.0"

    def __init__(self) -> None:
        from hibari import Hibari, dsp

        self._voice = Hibari(threads=1)
        self._dsp = dsp

    def speak(self, text: str, rng: np.random.Generator) -> tuple[Waveform, Settings]:
        """One sentence, or several with short pauses between."""
        voice = draw_hibari_voice(rng)
        noise = np.random.default_rng(voice.seed)
        pieces: list[Waveform] = []
        for phonemes in self._voice.phonemize(text):
            if pieces:
                pieces.append(np.zeros(round(noise.uniform(0.05, 0.4) * self._dsp.SR), np.float32))
            pieces.append(self._sound(phonemes, voice, noise))
        if not pieces:
            raise AudioError(f"hibari spoke nothing for {text!r}")
        return limit_peak(resample(np.concatenate(pieces), self._dsp.SR, SAMPLE_RATE)), vars(voice).copy()

    def _sound(self, phonemes: str, voice: HibariVoice, noise: np.random.Generator) -> Waveform:
        ids = np.asarray([self._voice.ids(phonemes)], np.int64)
        outputs = self._voice.sess.run(None, {"ids": ids, "speed": np.asarray([voice.pace], np.float32)})
        harmonic, phase, noisy, free, _, f0 = (output[0] for output in outputs)
        tilt = _tilt(harmonic.shape[0], voice.tilt_db, self._dsp.SR)[:, None]
        harmonic, noisy, free = (_stretch(part, voice.formants) + tilt for part in (harmonic, noisy, free))
        noisy = noisy + np.float32(voice.breath_db * np.log(10) / 20)
        random_phase = noise.uniform(-np.pi, np.pi, free.shape).astype(np.float32)
        pitch = _shape_pitch(f0, voice.pitch, voice.contour)
        audio = self._dsp.synth(
            harmonic, _stretch(phase, voice.formants), noisy, free, random_phase, pitch, noise
        )
        return np.asarray(audio, dtype=np.float32)


def _stretch(spectrum: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Move what is at frequency f to f * factor: (bins, frames) -> (bins, frames)."""
    if factor == 1.0:
        return spectrum
    bins = spectrum.shape[0]
    source = np.minimum(np.arange(bins, dtype=np.float32) / factor, bins - 1.001)
    below = source.astype(np.int64)
    share = (source - below)[:, None].astype(np.float32)
    return np.asarray(spectrum[below] * (1 - share) + spectrum[below + 1] * share)


def _tilt(bins: int, db_per_octave: float, rate_hz: int) -> NDArray[np.float32]:
    """Natural-log gain of each bin for a slope above 500 Hz, up to three octaves: (bins,)."""
    frequencies_hz = np.linspace(0, rate_hz / 2, bins)
    octaves = np.clip(np.log2(np.maximum(frequencies_hz, 1.0) / 500.0), 0.0, 3.0)
    return np.asarray(octaves * db_per_octave * np.log(10) / 20, dtype=np.float32)


def _shape_pitch(f0_hz: NDArray[np.float32], factor: float, contour: float) -> NDArray[np.float32]:
    """Scale F0, and its movement about the mean in log; unvoiced frames stay: (frames,) -> (frames,)."""
    voiced = f0_hz > 40.0
    if not voiced.any():
        return f0_hz
    log_f0 = np.log(f0_hz[voiced])
    shaped = f0_hz.copy()
    shaped[voiced] = np.exp(log_f0.mean() + (log_f0 - log_f0.mean()) * contour) * factor
    shaped[voiced] = np.clip(shaped[voiced], 55.0, 600.0)
    return shaped


def _timbre(rng: np.random.Generator, spread: float = 0.12) -> float:
    """Factor of all frequencies, by resampling; the engine's pace and pitch make up for the rest."""
    return round(float(rng.uniform(1.0 - spread, 1.0 + spread)), 3)


def _shift_timbre(audio: Waveform, factor: float) -> Waveform:
    """Play `factor` times faster: formants and pitch go up by it."""
    return limit_peak(resample(audio, SAMPLE_RATE * factor, SAMPLE_RATE))


class PicoTeacher:
    """Pico en-US or en-GB with random pitch, speed and timbre.

    The engine is not repeatable to the bit: equal calls may differ in their pauses, never in their words.
    """

    licence = "Apache-2.0"

    def __init__(self, voice: str) -> None:
        from py_nanotts import NanoTTS

        self.name = f"pico-{voice}"
        self._voice = voice
        self._engine = NanoTTS()

    def speak(self, text: str, rng: np.random.Generator) -> tuple[Waveform, Settings]:
        """One sentence or several."""
        timbre, pitch, pace = _timbre(rng), rng.uniform(0.7, 1.25), rng.uniform(0.8, 1.2)
        pcm = self._engine.speak(
            text, voice=self._voice, speed=pace / timbre, pitch=max(0.5, pitch / timbre), volume=0.4
        )
        if len(pcm) < 2:
            raise AudioError(f"{self.name} spoke nothing for {text!r}")
        audio = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
        settings = {"timbre": timbre, "pitch": round(float(pitch), 3), "pace": round(float(pace), 3)}
        return _shift_timbre(audio, timbre), settings


@dataclass(frozen=True)
class FliteVoice:
    """One voice of flite and the mean pitch it is used with, Hz."""

    name: str
    pitch_hz: tuple[float, float]


FLITE_VOICES = {
    voice.name: voice
    for voice in (
        FliteVoice("slt", (130.0, 230.0)),
        FliteVoice("rms", (80.0, 145.0)),
        FliteVoice("kal16", (80.0, 150.0)),
    )
}


class FliteTeacher:
    """flite slt, rms or kal16 with random pitch, pitch range, stretch and timbre; needs program `flite`."""

    licence = "CMU (BSD-like)"

    def __init__(self, voice: str) -> None:
        if voice not in FLITE_VOICES:
            raise InputError(
                f"flite voice {voice!r} is not for training: use one of {', '.join(FLITE_VOICES)}"
            )
        self.name = f"flite-{voice}"
        self._voice = FLITE_VOICES[voice]

    @classmethod
    def for_tests(cls, voice: str) -> "FliteTeacher":
        """A voice of flite that training never hears, for test sets."""
        teacher = cls("rms")
        teacher.name, teacher._voice = f"flite-{voice}", FliteVoice(voice, (90.0, 125.0))
        return teacher

    def speak(self, text: str, rng: np.random.Generator) -> tuple[Waveform, Settings]:
        """One sentence or several."""
        timbre, stretch = _timbre(rng), round(float(rng.uniform(0.85, 1.2)), 3)
        low_hz, high_hz = self._voice.pitch_hz
        pitch_hz = round(float(rng.uniform(low_hz, high_hz)), 1)
        spread_hz = round(float(rng.uniform(8.0, 24.0)), 1)
        command = ["flite", "-voice", self._voice.name]
        command += ["--setf", f"int_f0_target_mean={pitch_hz / timbre:.1f}"]
        command += ["--setf", f"int_f0_target_stddev={spread_hz / timbre:.1f}"]
        command += ["--setf", f"duration_stretch={stretch * timbre:.3f}"]
        audio = _run_program([*command, "-t", text], "-o")
        settings = {"timbre": timbre, "pitch_hz": pitch_hz, "spread_hz": spread_hz, "stretch": stretch}
        return _shift_timbre(audio, timbre), settings


ESPEAK_ACCENTS = (
    "en-us",
    "en-us-nyc",
    "en-gb",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
ESPEAK_VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m7", "+f1", "+f2", "+f3", "+f4", "+klatt2", "+klatt4")


class EspeakTeacher:
    """espeak-ng, eight accents and a dozen variants; robotic, so a few percent at most. Needs `espeak-ng`."""

    name = "espeak-ng"
    licence = "GPL-3.0-or-later program; its sound is used, no part of it"

    def speak(self, text: str, rng: np.random.Generator) -> tuple[Waveform, Settings]:
        """One sentence or several."""
        voice = str(rng.choice(ESPEAK_ACCENTS)) + str(rng.choice(ESPEAK_VARIANTS))
        pitch, words_per_minute = int(rng.integers(20, 75)), int(rng.integers(125, 190))
        command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "-a", "60"]
        settings = {"voice": voice, "pitch": pitch, "words_per_minute": words_per_minute}
        return _run_program(command, "-w", text), settings


def _run_program(command: list[str], out_option: str, last: str | None = None) -> Waveform:
    """Sound a program writes to the file named by `out_option`; `last` is its last argument."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        whole = [*command, out_option, str(path), *([last] if last is not None else [])]
        try:
            subprocess.run(whole, check=True, capture_output=True, timeout=_TIMEOUT_S)
            audio, rate = soundfile.read(path, dtype="float32")
        except FileNotFoundError as error:
            raise InputError(f"{command[0]} is not installed: install it or leave the teacher out") from error
        except (subprocess.SubprocessError, soundfile.LibsndfileError) as error:
            raise AudioError(f"{command[0]} failed: {error}") from error
    if audio.size == 0:
        raise AudioError(f"{command[0]} wrote no samples")
    return resample(np.asarray(audio, dtype=np.float32), rate, SAMPLE_RATE)


TEACHER_SHARES: dict[str, float] = {
    "hibari": 0.53,
    "pico-en-US": 0.11,
    "pico-en-GB": 0.11,
    "flite-slt": 0.09,
    "flite-rms": 0.10,
    "flite-kal16": 0.04,
    "espeak-ng": 0.02,
}


def make_teacher(name: str) -> Teacher:
    """A teacher by its name. Raises InputError for an unknown name."""
    if name == "hibari":
        return HibariTeacher()
    if name == "espeak-ng":
        return EspeakTeacher()
    family, _, voice = name.partition("-")
    if name in TEACHER_SHARES and family == "pico":
        return PicoTeacher(voice)
    if name in TEACHER_SHARES and family == "flite":
        return FliteTeacher(voice)
    raise InputError(f"teacher {name!r} is unknown: use one of {', '.join(TEACHER_SHARES)}")
