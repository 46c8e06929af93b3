"""Sounds and folders the recipe tests are run on, all made here."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16_000


def voiced(seconds: float, pitch_hz: float = 140.0, seed: int = 0) -> np.ndarray:
    """A buzzing tone with syllables, about as loud and as wide as speech: (samples,) float32."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch_hz * k * time_s + rng.uniform(0, 6)) / k for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 3.0 * time_s), 0.05, 1.0)
    return (0.08 * buzz * syllables).astype(np.float32)


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """accelerate remembers its settings for a process: forgotten before and after a test that trains."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def speech() -> np.ndarray:
    """Two seconds of speech-like sound."""
    return voiced(2.0)


def write_set(folder: Path, part: str, texts: list[str | None], language: str = "en") -> None:
    """A part of a speech set: Ogg Opus clips and their JSON lines."""
    (folder / part).mkdir(parents=True, exist_ok=True)
    lines = []
    for number, text in enumerate(texts):
        name = f"{part}/{language}-{number:05d}.opus"
        seconds = 0.6 + 0.2 * number
        soundfile.write(folder / name, voiced(seconds, 110 + 20 * number), RATE, format="OGG", subtype="OPUS")
        record = {
            "audio": name,
            "text": text,
            "language": language,
            "speaker": f"s{number}",
            "duration": seconds,
        }
        lines.append(json.dumps(record))
    with (folder / f"{part}.jsonl").open("a", encoding="utf-8") as out:
        out.write("".join(line + "\n" for line in lines))


@pytest.fixture
def noise_dir(tmp_path: Path) -> Path:
    """Two noises and a room."""
    folder = tmp_path / "noise"
    rng = np.random.default_rng(0)
    for kind in ("background", "noises", "rooms", "music"):
        (folder / kind).mkdir(parents=True)
    for kind, name in (("background", "hum"), ("noises", "hiss"), ("music", "song")):
        soundfile.write(folder / kind / f"{name}.flac", rng.normal(0, 0.1, RATE).astype(np.float32), RATE)
    room = np.exp(-np.arange(4000) / 800) * rng.normal(0, 0.2, 4000)
    room[100] = 1.0
    soundfile.write(folder / "rooms" / "hall.flac", (room / 2).astype(np.float32), RATE)
    return folder


@pytest.fixture
def speech_dir(tmp_path: Path) -> Path:
    """A speech directory with two training sets, a dev part and a set that must not be trained on."""
    folder = tmp_path / "speech"
    write_set(
        folder / "kathleen-en", "train", ["One clip.", "Said by many.", "Held out text", "Another one here."]
    )
    write_set(folder / "kathleen-en", "dev", ["held OUT, text!"])
    write_set(folder / "picovoice-speech-to-intent", "train", [None, None])
    write_set(folder / "kerstin-de", "train", ["Guten Tag."], "de")
    write_set(folder / "fillets", "dev", ["Ahoj."], "cs")
    write_set(folder / "fillets", "train", ["Never train on this."])
    return folder


@pytest.fixture(scope="session")
def labelled_text(tmp_path_factory) -> Path:
    """A small folder as recipes.prepare_text writes it, half of it under the name of each of two sets."""
    from collections import Counter
    from dataclasses import asdict
    from random import Random

    from recipes.prepare_text import generated_samples

    folder = tmp_path_factory.mktemp("text_tn")
    for part, count in (("train", 80), ("dev", 20)):
        samples = [asdict(s) for s in generated_samples(count, Random(part), [], Counter())]
        for number, sample in enumerate(samples):
            sample["source"] = ("google_tn", "libritts_tn")[number % 2]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
    return Path(folder)
