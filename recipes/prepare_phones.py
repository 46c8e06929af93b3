"""Sentences spoken by flite with the times of its phones, for a dense start of the encoder.

    python -m recipes.prepare_phones --text-dir DIR --speech-dir DIR --out DATA/phones-en --hours 12 --jobs 2

flite knows exactly when it says which phone. A recognizer that first learns to name them at every encoding
leaves the plateau of CTC much earlier; the phones are needed in training only. Each item's `extra.phones`
is a list of [phone, end in seconds]. Half of the items get noise. The seed and the number fix every shard;
it resumes.
"""

import logging
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.data.augment import change_volume, load_augmenter
from recipes.data.features_cache import CacheItem, compute_features
from recipes.data.held_out import load_held_out
from recipes.data.manifests import Utterance
from recipes.data.parallel import run_shards
from recipes.data.sentences import Sentence, read_sentences
from recipes.data.teachers import FLITE_VOICES, FliteTeacher, FliteVoice
from recipes.data.waveforms import SAMPLE_RATE, Waveform, normalize_loudness, resample
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import AudioError
from speech_encoder.config import FeatureConfig

logger = logging.getLogger(__name__)

VOICE_SHARES = {"kal16": 0.4, "slt": 0.3, "rms": 0.3}
SHARD_S = 900.0
_LETTERS_PER_S = 14.0  # for planning how many sentences make an hour
_PHONE = re.compile(r"([a-z]+):([0-9.]+)")


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    text_dir: Path = option(Path(), "folder with sentences/ and dialogue/")
    speech_dir: Path = option(Path(), "folder of speech sets: its dev texts are left out, its noise/ is used")
    out: Path = option(Path(), "feature cache to write")
    hours: float = option(12.0, "hours of speech, about")
    most_letters: int = option(80, "longer sentences are left out")
    jobs: int = option(1, "processes")
    seed: int = option(0, "seed")


def speak_with_phones(
    text: str, voice: FliteVoice, random: np.random.Generator
) -> tuple[Waveform, list[tuple[str, float]]]:
    """Sound (samples,) at 16 kHz and its phones [name, end in seconds], at a random pitch, pace and timbre.

    Raises AudioError when flite fails.
    """
    timbre, stretch = float(random.uniform(0.9, 1.12)), float(random.uniform(0.85, 1.2))
    settings = {
        "int_f0_target_mean": float(random.uniform(*voice.pitch_hz)) / timbre,
        "int_f0_target_stddev": float(random.uniform(8, 24)) / timbre,
        "duration_stretch": stretch * timbre,
    }
    command = ["flite", "-voice", voice.name, "-psdur"]
    command += [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.3f}")]
    audio, rate, printed = _run_flite(command, text)
    phones: list[tuple[str, float]] = [
        (name, round(float(end) / timbre, 3)) for name, end in _PHONE.findall(printed)
    ]
    if not phones:
        raise AudioError("flite printed no phones")
    return resample(audio, rate * timbre, SAMPLE_RATE), phones


def _run_flite(command: list[str], text: str) -> tuple[Waveform, float, str]:
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        try:
            ran = subprocess.run(
                [*command, "-t", text, "-o", str(path)], check=True, capture_output=True, timeout=60
            )
            audio, rate = soundfile.read(path, dtype="float32")
        except (OSError, subprocess.SubprocessError, soundfile.LibsndfileError) as error:
            raise AudioError(f"flite failed: {error}") from error
    return np.asarray(audio, dtype=np.float32), float(rate), ran.stdout.decode("ascii", "ignore")


@dataclass(frozen=True)
class PhoneShard:
    """The sentences of one shard."""

    out: Path
    index: int
    sentences: tuple[Sentence, ...]
    noise_dir: Path
    seed: int

    def items(self) -> Iterator[CacheItem]:
        """The items of the shard in order; sentences flite fails at are left out."""
        augmenter = load_augmenter(self.noise_dir)
        random = np.random.default_rng([self.seed, self.index])
        for number, sentence in enumerate(self.sentences):
            voice = FLITE_VOICES[str(random.choice(list(VOICE_SHARES), p=list(VOICE_SHARES.values())))]
            try:
                audio, phones = speak_with_phones(sentence.text, voice, random)
            except AudioError as error:
                logger.warning("left out: %s", error)
                continue
            audio, done = normalize_loudness(audio), []
            if random.random() < 0.5:
                audio, noise = augmenter.noise(audio, random)
                done = [noise]
            audio = change_volume(audio, float(random.uniform(-12, 6)))
            utterance = Utterance(
                id=f"phones/{self.index:05d}-{number:05d}",
                audio="",
                text=sentence.text,
                language="en",
                speaker=f"flite-{voice.name}",
                duration_s=audio.size / SAMPLE_RATE,
                corpus=f"phones-flite-{voice.name}",
                licence=FliteTeacher.licence,
                extra={"phones": phones, "text_source": sentence.source},
            )
            yield CacheItem(utterance, compute_features(audio, FeatureConfig()), tuple(done))


def prepare(config: RunConfig) -> float:
    """Write the missing shards; returns the hours written."""
    sentences = read_sentences(config.text_dir, load_held_out(config.speech_dir, config.text_dir))
    short = [sentence for sentence in sentences if len(sentence.text) <= config.most_letters]
    order = np.random.default_rng(config.seed).permutation(len(short))
    shards: list[list[Sentence]] = [[]]
    letters, most = 0, config.hours * 3600 * _LETTERS_PER_S
    for place in order:
        letters += len(short[place].text)
        if letters > most:
            break
        if letters > len(shards) * SHARD_S * _LETTERS_PER_S:
            shards.append([])
        shards[-1].append(short[place])
    noise_dir = config.speech_dir / "noise"
    tasks = [
        PhoneShard(config.out, index, tuple(part), noise_dir, config.seed)
        for index, part in enumerate(shards)
    ]
    return run_shards(tasks, config.jobs)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%.2f hours written", run_command(RunConfig, prepare, __doc__ or "", argv))


if __name__ == "__main__":
    main()
