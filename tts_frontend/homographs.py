"""Which reading of a word spelled like another one is meant: record, live, bass.

One small model for all homographs: what stands around the word becomes a vector, and each homograph has a
few rows that score its readings. Around it stand the Llama's states at the word and a few tokens behind it,
where there is a Llama, and the neighbouring words by hashed features. Words without rows of their own whose
readings are a noun's and a verb's share a head. Source of the task and its data: Gorman, Mazovetskiy and
Nikolaev, LREC 2018.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.errors import CheckpointError, ConfigError
from tts_frontend.languages.en.phones import parse_phones

Phones = tuple[str, ...]

SHARED = "*"
"""The head of words that are told apart as noun or verb only."""
NOUN, VERB = "noun", "verb"


@dataclass(frozen=True)
class HomographsConfig:
    """Sizes of a HomographModel. readings: head/reading, those of a head in one run."""

    readings: tuple[str, ...]
    d_llama: int = 0  # 0: no Llama
    tokens_after: int = 3  # tokens behind the word whose states are seen, with a Llama
    words_after: int = 2  # words behind it that are seen, without a Llama
    words_before: int = 2
    d_hidden: int = 96
    buckets: int = 8192  # of hashed features

    def __post_init__(self) -> None:
        if min(self.d_hidden, self.buckets, len(self.readings)) < 1 or self.tokens_after < 0:
            raise ConfigError("d_hidden, buckets and readings must be at least 1, tokens_after at least 0")

    @property
    def slots(self) -> int:
        """States of the token before the word, its last token, and those behind it."""
        return 2 + self.tokens_after if self.d_llama else 0

    def head(self, name: str) -> slice:
        """Where the readings of a head stand. Raises KeyError for one that is not there."""
        places = [number for number, reading in enumerate(self.readings) if reading.split("/")[0] == name]
        if not places:
            raise KeyError(name)
        return slice(places[0], places[-1] + 1)


class Surroundings(NamedTuple):
    """A word's neighbours. before: the nearest last; after: the nearest first; as (text, mark behind it).

    mark: behind the word itself; states (slots, d_llama) and known (slots,) bool, or None without a Llama.
    """

    text: str
    mark: str = ""
    before: tuple[tuple[str, str], ...] = ()
    after: tuple[tuple[str, str], ...] = ()
    states: Tensor | None = None
    known: Tensor | None = None


class HomographModel(nn.Module):
    """Scores of all readings; only those of one head mean something beside each other."""

    state_mean: Tensor
    state_std: Tensor

    def __init__(self, config: HomographsConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.EmbeddingBag(config.buckets, config.d_hidden, mode="sum", padding_idx=0)
        nn.init.normal_(self.features.weight, std=0.1)
        self.norm = nn.LayerNorm(config.d_hidden)
        self.out = nn.Linear(config.d_hidden, len(config.readings))
        self.dropout = nn.Dropout(0.3)
        if config.slots:
            self.states = nn.Linear(config.slots * config.d_llama, config.d_hidden)
            self.register_buffer("state_mean", torch.zeros(config.slots, config.d_llama))
            self.register_buffer("state_std", torch.ones(config.slots, config.d_llama))

    def forward(self, features: Tensor, states: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """features (n, most) bucket ids, 0 = none; states (n, slots, d_llama), known (n, slots) bool.

        Returns scores (n, readings).
        """
        x: Tensor = self.features(features)
        if self.config.slots:
            if states is None or known is None:
                raise AssertionError("this model reads states of a Llama")
            scaled = (states.float() - self.state_mean) / self.state_std
            x = x + self.states(self.dropout(scaled.clamp(-8, 8) * known[..., None]).flatten(1))
        scores: Tensor = self.out(self.dropout(functional.gelu(self.norm(x))))
        return scores


def feature_ids(around: Surroundings, config: HomographsConfig) -> list[int]:
    """Buckets of what stands around a word: neighbours, their endings, capitals and marks between."""
    names = [f"case {_case(around.text)}", f"mark {around.mark}", "bias"]
    before = around.before[-config.words_before :] if config.words_before else ()
    for distance, (text, mark) in enumerate(reversed(before), start=1):
        names += _of_word(f"-{distance}", text, mark)
    if len(before) < config.words_before:
        names.append(f"start {len(before)}")
    if not config.d_llama:
        for distance, (text, mark) in enumerate(around.after[: config.words_after], start=1):
            names += _of_word(f"+{distance}", text, mark)
    return [1 + zlib.crc32(name.encode()) % (config.buckets - 1) for name in names]


def _of_word(place: str, text: str, mark: str) -> list[str]:
    lower = text.lower()
    return [
        f"{place} word {lower}",
        f"{place} end {lower[-3:]}",
        f"{place} end {lower[-2:]}",
        f"{place} case {_case(text)}",
        f"{place} mark {mark}",
    ]


def _case(text: str) -> str:
    return "upper" if text.isupper() else "capital" if text[:1].isupper() else "small"


def pad_features(rows: Sequence[Sequence[int]]) -> Tensor:
    """(n, most), filled up with 0."""
    most = max(1, max(map(len, rows), default=0))
    return torch.tensor([[*row, *[0] * (most - len(row))] for row in rows], dtype=torch.int64)


class Homograph(NamedTuple):
    """A word with several readings: its head, and phones by the readings of that head."""

    head: str
    phones: Mapping[str, Phones]


def homographs_from_json(data: Any) -> dict[str, Homograph]:
    """{word: {"head": ..., "phones": {reading: "R EH1 ..."}}} as records. Raises CheckpointError else."""
    try:
        return {
            word: Homograph(item["head"], {name: parse_phones(text) for name, text in item["phones"].items()})
            for word, item in data.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the list of homographs is damaged ({error}): copy the bundle again") from None


class HomographChooser:
    """Chooses readings with a model."""

    def __init__(self, model: HomographModel, words: Mapping[str, Homograph]) -> None:
        self.model, self.words = model.eval(), words
        self._heads = {word: model.config.head(item.head) for word, item in words.items()}

    @torch.inference_mode()
    def choose(self, around: Surroundings) -> Phones:
        """Phones of the likeliest reading of a word that is in `words`."""
        word = around.text.lower()
        config, item, places = self.model.config, self.words[word], self._heads[word]
        states = known = None
        if config.slots and around.states is not None and around.known is not None:
            states, known = around.states[None].float(), around.known[None]
        scores = self.model(pad_features([feature_ids(around, config)]), states, known)[0, places]
        names = [reading.split("/")[1] for reading in config.readings[places]]
        return item.phones[names[int(scores.argmax())]]
