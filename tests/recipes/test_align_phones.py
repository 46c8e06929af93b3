"""Alignment of made-up speech whose phone times are known: another speaker's model finds them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from prosody.items import ProsodySet
from recipes.align_phones import (
    BASES,
    RunConfig,
    log_mels,
    pitch_hz,
    prepare,
    problem,
    read_clip,
)
from recipes.data.manifests import Utterance
from speech_core.errors import InputError
from speech_synthesis.alignment import Utterance as Aligned
from speech_synthesis.alignment import features, train_aligner
from speech_synthesis.config import FrameConfig
from tts_frontend.languages.en.phones import PHONE_IDS, PHONES, base_of
from tts_frontend.pronunciation import Pronouncer
from tts_frontend.pronunciation_lexicon import Lexicon, write_lexicon

FRAMES = FrameConfig()
RATE, HOP = FRAMES.sample_rate, FRAMES.hop_samples
WORDS = {"see": ("S", "IY1"), "me": ("M", "IY1"), "sue": ("S", "UW1"), "moo": ("M", "UW1")}
FORMANTS = {"IY1": (300, 2300), "UW1": (350, 900), "M": (200, 1100)}
TEXTS = [f"{a} {b}, {c}." for a in WORDS for b in WORDS for c in ("me", "sue")][::2]


def sound_of(phone: str, samples: int, pitch: float, random: np.random.Generator) -> np.ndarray:
    """Noise for S, harmonics with two formants for the voiced ones, almost nothing for a pause."""
    if phone == "SIL":
        return 1e-4 * random.normal(size=samples)
    if phone == "S":
        noise = random.normal(size=samples + 1)
        return 0.05 * (noise[1:] - noise[:-1])
    time_s = np.arange(samples) / RATE
    wave = np.zeros(samples)
    for number in range(1, int(4000 / pitch)):
        gain = sum(1 / (1 + ((number * pitch - centre) / 150) ** 2) for centre in FORMANTS[phone])
        wave += gain * np.sin(2 * np.pi * number * pitch * time_s)
    return (0.03 if phone == "M" else 0.1) * wave


def speak(text: str, seed: int, pitch: float) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Sound (samples,), phones with pauses at the ends and marks, and their durations in frames."""
    random = np.random.default_rng(seed)
    phones = ["SIL"]
    for word in text.split():
        phones += WORDS[word.strip(".,")]
        phones += ["SIL"] if word[-1] in ".," else []
    durations = random.integers(5, 16, len(phones))
    pieces = [
        sound_of(phone, int(count) * HOP, pitch, random)
        for phone, count in zip(phones, durations, strict=True)
    ]
    return np.concatenate(pieces).astype(np.float32), phones, durations


def write_speaker(folder: Path, part: str, texts: Sequence[str], pitch: float) -> None:
    (folder / part).mkdir(parents=True)
    lines = []
    for number, text in enumerate(texts):
        audio, _, _ = speak(text, number, pitch)
        soundfile.write(folder / part / f"{number}.wav", audio, RATE)
        record = {"audio": f"{part}/{number}.wav", "text": text, "language": "en", "speaker": "kathleen"}
        lines.append(json.dumps({**record, "duration": len(audio) / RATE}) + "\n")
    (folder / f"{part}.jsonl").write_text("".join(lines))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> RunConfig:
    """A set of one speaker, a lexicon, and the aligner of another speaker who speaks far lower and softer."""
    root = tmp_path_factory.mktemp("align")
    write_lexicon(root / "lexicon.zlib", WORDS)
    utterances = []
    for number, text in enumerate(TEXTS):
        audio, phones, durations = speak(text, 100 + number, 110.0)
        audio = 0.3 * audio
        f0_hz = pitch_hz(audio.astype(np.float32), FRAMES)
        frames = features(log_mels(torch.from_numpy(audio), FRAMES), f0_hz)
        classes = tuple(BASES.index(base_of(phone)) for phone in phones)
        utterances.append(Aligned(frames, classes, durations))
    aligner = train_aligner(utterances, len(BASES), BASES.index("SIL"), rounds=1)
    parts = {name: getattr(aligner, name) for name in ("means", "variances", "scale", "pause")}
    np.savez(root / "aligner.npz", **parts)
    write_speaker(root / "speech" / "kathleen-en", "train", TEXTS, 190.0)
    write_speaker(root / "speech" / "kathleen-en", "dev", TEXTS[:3], 190.0)
    return RunConfig(
        speech_dir=root / "speech",
        sets=("kathleen-en",),
        lexicon=root / "lexicon.zlib",
        aligner=root / "aligner.npz",
        out=root / "out",
        learn_clips=10,
    )


def test_the_times_of_phones_are_found(config: RunConfig) -> None:
    counts = prepare(config)
    assert counts["kept"] >= 0.8 * (len(TEXTS) + 3)
    assert not prepare(config)
    errors = []
    for item in ProsodySet([config.out / "train"]):
        number = int(item.id.rpartition("/")[2])
        _, phones, durations = speak(TEXTS[number], number, 190.0)
        assert [phone.symbol for phone in item.phones] == phones[1:]
        found = (item.targets.values[:, 0].exp() * FRAMES.frame_rate_hz).numpy()
        ends = np.cumsum(found[::-1])[::-1]  # from the end of the clip
        errors += np.abs(ends - np.cumsum(durations[:0:-1])[::-1]).tolist()
        # The pitch tracker now and then hears a pitch in the noise of an S, of which 3 % of the mean came.
        pitched = item.targets.voiced & torch.tensor([phone.symbol in FORMANTS for phone in item.phones])
        assert pitched.sum() >= 3
        assert item.targets.values[pitched, 1].exp().mean() == pytest.approx(190, rel=0.01)
    assert np.mean(errors) < 1.0
    assert np.percentile(errors, 95) < 2.5
    assert len(ProsodySet([config.out / "dev"])) > 0


def test_implausible_clips_are_named(config: RunConfig) -> None:
    pronouncer = Pronouncer(Lexicon.load(config.lexicon))
    path = config.speech_dir / "kathleen-en" / "train" / "0.wav"
    utterance = Utterance("clip", str(path), TEXTS[0], "en", "kathleen", 1.0, "kathleen-en", "CC0")
    item = read_clip(utterance, pronouncer, FRAMES)
    assert [PHONES[phone] for phone in item.phones] == speak(TEXTS[0], 0, 190.0)[1]
    assert int(item.durations.sum()) == len(item.frames) == len(item.f0_hz)
    durations = speak(TEXTS[0], 0, 190.0)[2]
    count = len(durations)
    good = replace(item, durations=durations, log_f0=np.full(count, 5.2, np.float32))
    assert problem(good, 0.0125) is None
    assert problem(replace(good, f0_hz=np.zeros_like(item.f0_hz)), 0.0125) == "voiced where it should not be"
    uneven = np.ones(count, np.int64)
    uneven[1] = durations.sum() - count + 1
    assert problem(replace(good, durations=uneven), 0.0125) == "a phone is too long"
    assert problem(good, 0.05) in ("a phone is too long", "too fast or too slow")
    with pytest.raises(InputError, match="clip"):
        read_clip(replace(utterance, text="!?"), pronouncer, FRAMES)
    assert PHONE_IDS["SIL"] == 0
