"""What the training recipes need, small and made on the spot: feature caches, and a Llama's folder.

`tone_words` says words as sequences of tones, one chord for each letter, so that a tiny model learns to spell
them in seconds; `recorded` gives the clips of real speech in `samples/`.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from recipes.data.features_cache import CacheItem, FeatureCacheWriter, compute_features
from recipes.data.manifests import Utterance
from speech_adapter.model import SpeechModel
from speech_core.audio import load_audio
from speech_encoder.config import FeatureConfig
from tests.fakes import save_byte_tokenizer

RATE = 16_000  # Hz
SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SENTENCES = ("a cab", "bad ace", "dead cab", "a bad bed", "face a cab", "dad fed ed", "bead", "feed a cab")

Clip = tuple[NDArray[np.float32], str | None]


def tone_words(text: str, letter_s: float = 0.12, seed: int = 0) -> NDArray[np.float32]:
    """A text as sound: every letter is a chord of its own, a space is a pause; faint noise everywhere."""
    noise = np.random.default_rng(seed)
    time_s = np.arange(round(letter_s * RATE)) / RATE
    parts = []
    for letter in text:
        pitch = 250.0 * 1.35 ** (ord(letter) - ord("a"))
        chord = np.sin(2 * np.pi * pitch * time_s) + 0.5 * np.sin(2 * np.pi * 2.5 * pitch * time_s)
        parts.append(0.2 * chord * np.hanning(len(time_s)) * (letter != " "))
    audio = np.concatenate([np.zeros(RATE // 10), *parts, np.zeros(RATE // 10)])
    return (audio + noise.normal(0, 0.002, len(audio))).astype(np.float32)


def spoken(texts: Iterable[str] = SENTENCES) -> list[Clip]:
    """Clips of tone words with their texts."""
    return [(tone_words(text, seed=number), text) for number, text in enumerate(texts)]


def recorded() -> list[Clip]:
    """The clips of `samples/` with their texts."""
    with (SAMPLES / "transcripts.tsv").open(encoding="utf-8") as lines:
        return [
            (load_audio(SAMPLES / row["file"]), row["text"]) for row in csv.DictReader(lines, delimiter="\t")
        ]


def ctc_log_probs(model: SpeechModel, *inputs: Any) -> tuple[Tensor, Tensor]:
    """Log-probabilities (batch, positions, 1 + vocabulary) of a model's inputs, and positions (batch,)."""
    embeds, positions = model(*inputs)
    return model.ctc.log_probs(embeds), positions


def write_cache(folder: Path, clips: Iterable[Clip]) -> Path:
    """A feature cache of one shard."""
    config = FeatureConfig()
    items = []
    for number, (audio, text) in enumerate(clips):
        name, seconds = f"clip-{number}", len(audio) / RATE
        utterance = Utterance(name, "", text, "en", "speaker", seconds, corpus="made-up", licence="CC0-1.0")
        items.append(CacheItem(utterance, compute_features(audio, config)))
    FeatureCacheWriter(folder, config).write_shard(0, items)
    return folder


def write_llama(folder: Path, d_llama: int = 32) -> Path:
    """What training by CTC reads of a Llama: its embedding matrix and a tokenizer of bytes."""
    save_byte_tokenizer(folder)
    matrix = torch.randn(259, d_llama, generator=torch.Generator().manual_seed(4))
    save_file({"model.embed_tokens.weight": 0.1 * matrix}, folder / "model.safetensors")
    return folder
