"""Read speech with the duration, F0 and power of each phone: a prosody set of human speakers.

    python -m recipes.align_phones --speech-dir DIR --sets ljspeech-part kathleen-en --lexicon lexicon.zlib \
        --aligner VOICE/aligner.npz --llama CACHE/default-llama --out DATA/prosody-human

Phones come from our own front end. They are aligned by the model of `speech_synthesis.alignment`: it begins
with that of a voice whose times are known, its features scaled to the speaker, and improves itself on the
speaker's clips. F0 by DIO and StoneMask (Morise et al., pyworld). Clips whose alignment is not plausible are
left out and counted. `train` and `dev` are those of the speech sets. For sets of one speaker each.
"""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prosody.items import write_shard
from recipes.data.corpora import read_speech_set
from recipes.data.llama_states import StateReader
from recipes.data.manifests import Utterance
from recipes.data.voice_cache import VoiceItem
from recipes.data.voice_teacher import phone_means
from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.prepare_prosody import prosody_items
from speech_core.audio import load_audio
from speech_core.errors import AudioError, InputError
from speech_core.events import SpokenWord
from speech_synthesis import alignment
from speech_synthesis.alignment import PhoneAligner, features, train_aligner
from speech_synthesis.config import FrameConfig
from speech_synthesis.mel import averaging, frame_log_power
from tts_frontend.frontend import phones_of
from tts_frontend.languages.en.phones import PHONE_IDS, PHONES, SILENCE, base_of, is_voiced
from tts_frontend.pronunciation import Pronouncer
from tts_frontend.pronunciation_lexicon import Lexicon

logger = logging.getLogger(__name__)

BASES = tuple(dict.fromkeys(base_of(phone) for phone in PHONES))
_CLASSES = tuple(BASES.index(base_of(phone)) for phone in PHONES)
_VOICED = np.array([is_voiced(phone) for phone in PHONES])
_PAUSE = PHONE_IDS[SILENCE]
LEAST_VOICING = 0.75  # share of frames of phones that are voiced as their phone should be
LONGEST_PHONE_S = 0.6
MIN_VOICED_SHARE = 0.3  # of its frames, for a phone to have an F0
RATES_HZ = (6.0, 25.0)  # phones a second, pauses left out


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    speech_dir: Path = option(Path(), "folder of speech sets")
    sets: tuple[str, ...] = option(("ljspeech-part", "kathleen-en"), "sets of one speaker each")
    lexicon: Path = option(Path(), "lexicon of recipes.prepare_lexicon")
    aligner: Path = option(Path(), "aligner.npz of a voice cache, to begin with")
    out: Path = option(Path(), "folder to write train and dev sets into")
    llama: Path | None = option(None, "folder of the Llama whose states are kept")
    batch_tokens: int = option(1024, "tokens the Llama runs at once")
    most_clips: int = option(0, "at most so many clips of a set; 0 = all")
    learn_clips: int = option(200, "clips of a speaker that the aligner learns from")


def load_aligner(path: Path) -> PhoneAligner:
    """The phone model of a voice cache."""
    with np.load(path) as parts:
        return PhoneAligner(parts["means"], parts["variances"], parts["scale"], int(parts["pause"]))


def log_mels(audio: torch.Tensor, config: FrameConfig) -> NDArray[np.float32]:
    """Log-mel frames of sound (samples,) at the rate of `config`: (samples // hop, mels)."""
    size, hop = 4 * config.hop_samples, config.hop_samples
    spectrum = torch.stft(
        audio, size, hop, window=torch.hann_window(size), return_complex=True, pad_mode="constant"
    )
    power = spectrum.abs().square().T[: audio.shape[0] // hop]
    mels = power @ averaging(config.num_mels, replace(config, num_bins=size // 2 + 1))
    return np.asarray(mels.clamp(min=1e-8).log().numpy(), dtype=np.float32)


def pitch_hz(audio: NDArray[np.float32], config: FrameConfig) -> NDArray[np.float32]:
    """F0 of each frame, 0 where unvoiced: (samples // hop,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads its version by pkg_resources
        import pyworld

    samples, period_ms = audio.astype(np.float64), 1000 * config.hop_samples / config.sample_rate
    rough, times = pyworld.dio(samples, config.sample_rate, frame_period=period_ms)
    f0_hz = pyworld.stonemask(samples, rough, times, config.sample_rate)
    return np.asarray(f0_hz[: len(audio) // config.hop_samples], dtype=np.float32)


def read_clip(utterance: Utterance, pronouncer: Pronouncer, config: FrameConfig) -> VoiceItem:
    """A clip as an item whose phones are not aligned yet (durations equal).

    Its phones begin and end with a pause. Raises AudioError for sound that cannot be read, InputError for
    text without phones.
    """
    audio = load_audio(utterance.audio, config.sample_rate)
    samples = torch.from_numpy(np.asarray(audio, dtype=np.float32))
    f0_hz = pitch_hz(samples.numpy(), config)
    frames = log_mels(samples, config)
    text = utterance.text or ""
    groups = phones_of(text, pronouncer)
    phones = [phone for group in groups for phone in group.phones]
    words: list[SpokenWord] = [word for group in groups for word in group.words]
    numbers = [_PAUSE, *(PHONE_IDS[phone.symbol] for phone in phones)]
    places = [-1, *(phone.word for phone in phones)]
    if numbers[-1] != _PAUSE:
        numbers, places = [*numbers, _PAUSE], [*places, -1]
    if len(numbers) < 4:
        raise InputError(f"{utterance.id}: its text has no phones")
    edges = np.linspace(0, len(frames), len(numbers) + 1).round().astype(np.int64)
    nothing = np.zeros(len(numbers), np.float32)
    return VoiceItem(
        id=utterance.id,
        text=text,
        speaker=utterance.speaker,
        corpus=utterance.corpus,
        words=tuple(words),
        phones=tuple(numbers),
        phone_words=tuple(places),
        durations=np.diff(edges),
        log_f0=nothing,
        log_power=nothing,
        f0_hz=f0_hz,
        frames=frames.astype(np.float16),
        power=frame_log_power(samples, config).numpy(),
    )


def _utterance(item: VoiceItem, durations: NDArray[np.int64] | None) -> alignment.Utterance:
    classes = tuple(_CLASSES[phone] for phone in item.phones)
    return alignment.Utterance(features(item.frames, item.f0_hz), classes, durations)


def adapt(aligner: PhoneAligner, items: Sequence[VoiceItem]) -> PhoneAligner:
    """The phone model of another speaker: scaled to them, then learned anew from what it aligns."""
    frames = np.concatenate([_utterance(item, None).features for item in items])
    scale = np.stack([frames.mean(0), np.maximum(frames.std(0), 1e-3)])
    aligner = replace(aligner, scale=scale)
    aligned = []
    for item in items:
        try:
            aligned.append(_utterance(item, aligner.align(_utterance(item, None))[0]))
        except InputError:
            continue
    return train_aligner(aligned, len(BASES), aligner.pause, rounds=3)


def align_item(item: VoiceItem, aligner: PhoneAligner) -> VoiceItem:
    """The item with durations, mean F0 and power of its phones. Raises InputError if it is too short."""
    durations, score = aligner.align(_utterance(item, None))
    voiced = item.f0_hz > 0
    every = np.ones_like(voiced)
    share = phone_means(voiced.astype(np.float32), durations, every)
    log_f0 = phone_means(np.log(np.maximum(item.f0_hz, 1.0)), durations, voiced)
    return replace(
        item,
        durations=durations,
        log_f0=np.where(share >= MIN_VOICED_SHARE, log_f0, np.nan),
        log_power=phone_means(item.frame_power(), durations, every),
        extra={"likelihood": score},
    )


def problem(item: VoiceItem, frame_s: float) -> str | None:
    """Why an aligned clip is not plausible, or None."""
    spoken = np.asarray(item.phones) != _PAUSE
    phone = np.repeat(np.asarray(item.phones), item.durations)
    agrees = (_VOICED[phone] == (item.f0_hz > 0))[phone != _PAUSE]
    rate_hz = spoken.sum() / (item.durations[spoken].sum() * frame_s)
    if int(item.durations[spoken].max()) * frame_s > LONGEST_PHONE_S:
        return "a phone is too long"
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        return "too fast or too slow"
    if float(agrees.mean()) < LEAST_VOICING:
        return "voiced where it should not be"
    return None if np.isfinite(item.log_f0[spoken]).any() else "without pitch"


def read_set(name: str, part: str, config: RunConfig, frames: FrameConfig) -> list[VoiceItem]:
    """The clips of one part of a set that have sound and text."""
    pronouncer = Pronouncer(Lexicon.load(config.lexicon))
    items: list[VoiceItem] = []
    for utterance in read_speech_set(config.speech_dir, name, part):
        if config.most_clips and len(items) == config.most_clips:
            break
        try:
            items.append(read_clip(utterance, pronouncer, frames))
        except (AudioError, InputError) as error:
            logger.warning("left out: %s", error)
    return items


def aligned(
    items: Sequence[VoiceItem], aligner: PhoneAligner, frame_s: float, counts: Counter[str]
) -> Iterator[VoiceItem]:
    """The clips with plausible alignments; counts what becomes of them."""
    for item in items:
        try:
            found = align_item(item, aligner)
        except InputError:
            counts["too short"] += 1
            continue
        reason = problem(found, frame_s)
        counts[reason or "kept"] += 1
        if reason is None:
            yield found


def prepare(config: RunConfig) -> Counter[str]:
    """Write the missing shards, one for each set and part; returns what became of the clips."""
    frames, first = FrameConfig(), load_aligner(config.aligner)
    reader = StateReader(config.llama) if config.llama else None
    counts: Counter[str] = Counter()
    for index, name in enumerate(config.sets):
        if (config.out / "dev" / f"shard-{index:05d}.jsonl").exists():
            continue
        parts = {part: read_set(name, part, config, frames) for part in ("train", "dev")}
        aligner = adapt(first, parts["train"][: config.learn_clips])
        for part, items in parts.items():
            found: Counter[str] = Counter()
            good = list(aligned(items, aligner, 1 / frames.frame_rate_hz, found))
            logger.info("%s, %s: %s", name, part, dict(found))
            counts.update(found)
            written = prosody_items(good, reader, config.batch_tokens, 1 / frames.frame_rate_hz)
            write_shard(config.out / part, index, written)
    return counts


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%s", dict(run_command(RunConfig, prepare, __doc__ or "", argv)))


if __name__ == "__main__":
    main()
