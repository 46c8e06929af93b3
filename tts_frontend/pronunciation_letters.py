"""Letters to sound: phones of words that no lexicon knows, letter by letter from left to right.

Each letter gives one label: no phone, one, or two. What decides is a window of letters around it, the labels
before it, and how far the stress has come, so a word needs one small pass a letter. Beam search keeps the
best few beginnings, and a word of several vowels gets one primary stress.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.checkpoint import load_config, load_weights
from speech_core.errors import ConfigError

Phones = tuple[str, ...]

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
"""Letter ids count from 1; 0 is outside the word."""
_MAX_LETTERS = 64
NAMES, RARE = "cmu", "silver"
"""Styles: the dictionary most like an unknown name, and the one most like any other unknown word."""


@dataclass(frozen=True)
class LettersConfig:
    """Sizes and labels of a LetterModel. labels: phones of a letter, "" for none, "K S" for two."""

    labels: tuple[str, ...]
    window: int = 6  # letters seen on each side
    history: int = 4  # labels seen before
    d_model: int = 256
    d_label: int = 48
    num_layers: int = 2
    styles: tuple[str, ...] = ("gold", "cmu", "silver")  # whose conventions a reading follows

    def __post_init__(self) -> None:
        if min(self.window, self.history, self.d_model, self.num_layers, len(self.labels)) < 1:
            raise ConfigError("window, history, d_model, num_layers and labels must be at least 1")


NUM_STATES = 8


def stress_state(vowels: int, has_primary: bool) -> int:
    """What the model is told of the phones so far: 0..3 vowels, and whether one has primary stress."""
    return min(vowels, 3) * 2 + int(has_primary)


class LetterInputs(NamedTuple):
    """letters (n, 2 window + 1), history (n, history) label ids + 1, 0 before the word; state, style (n,)."""

    letters: Tensor
    history: Tensor
    state: Tensor
    style: Tensor


class LetterModel(nn.Module):
    """Scores of each label for letters in their surroundings."""

    def __init__(self, config: LettersConfig) -> None:
        super().__init__()
        self.config = config
        width, d_model = 2 * config.window + 1, config.d_model
        self.letters = nn.EmbeddingBag(width * (len(LETTERS) + 1), d_model, mode="sum")
        self.labels = nn.Embedding(len(config.labels) + 1, config.d_label)
        self.history = nn.Linear(config.history * config.d_label, d_model, bias=False)
        self.state = nn.Embedding(NUM_STATES, d_model)
        self.style = nn.Embedding(len(config.styles), d_model)
        self.layers = nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(config.num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(config.num_layers + 1))
        self.out = nn.Linear(d_model, len(config.labels))
        nn.init.normal_(self.letters.weight, std=0.3)
        nn.init.normal_(self.style.weight, std=0.3)
        nn.init.normal_(self.state.weight, std=0.3)

    def forward(self, inputs: LetterInputs) -> Tensor:
        """(n,) letters -> (n, labels) scores."""
        return self.scores(self.surroundings(inputs.letters, inputs.style), inputs.history, inputs.state)

    def surroundings(self, letters: Tensor, style: Tensor) -> Tensor:
        """The part that does not wait for labels: (n, 2 window + 1), (n,) -> (n, d_model)."""
        places = torch.arange(letters.shape[1], device=letters.device) * (len(LETTERS) + 1)
        summed: Tensor = self.letters(letters + places) + self.style(style)
        return summed

    def scores(self, surroundings: Tensor, history: Tensor, state: Tensor) -> Tensor:
        """(n, d_model), (n, history), (n,) -> (n, labels)."""
        x = surroundings + self.history(self.labels(history).flatten(1)) + self.state(state)
        for layer, norm in zip(self.layers, self.norms, strict=False):
            x = x + layer(functional.gelu(norm(x)))
        scored: Tensor = self.out(functional.gelu(self.norms[-1](x)))
        return scored


def letter_ids(word: str) -> list[int]:
    """Ids of the letters of a word, accents taken off, anything else left out."""
    plain = unicodedata.normalize("NFKD", word.lower()).replace("\u2019", "'")
    return [LETTERS.index(char) + 1 for char in plain if char in LETTERS][:_MAX_LETTERS]


class _Path(NamedTuple):
    """The beginning of a reading."""

    score: float
    labels: tuple[int, ...]
    vowels: int
    primaries: int


class LetterReader:
    """Reads words with a model. beam 1 is greedy."""

    def __init__(self, model: LetterModel, beam: int = 4) -> None:
        if beam < 1:
            raise ConfigError(f"beam is {beam}, must be at least 1")
        self.model, self.beam = model.eval(), beam
        self._phones = [tuple(label.split()) for label in model.config.labels]
        self._vowels = [sum(phone[-1] in "012" for phone in phones) for phones in self._phones]
        self._primaries = [sum(phone[-1] == "1" for phone in phones) for phones in self._phones]

    @classmethod
    def load(cls, folder: Path, beam: int = 4) -> "LetterReader":
        """A reader with the weights of a component. Raises CheckpointError when they are damaged."""
        model = LetterModel(load_config(folder, LettersConfig))
        load_weights(folder, model)
        return cls(model, beam)

    @torch.inference_mode()
    def read(self, word: str, style: str = "") -> Phones:
        """Phones of a word; () when it has no letters.

        style: the dictionary whose conventions it follows; by default NAMES for a word with a capital, else
        RARE. Raises ConfigError for one the model does not know.
        """
        style = style or (NAMES if word[:1].isupper() else RARE)
        if style not in self.model.config.styles:
            raise ConfigError(f"style is {style!r}: use one of {', '.join(self.model.config.styles)}")
        ids = letter_ids(word)
        if not ids:
            return ()
        paths = [_Path(0.0, (), 0, 0)]
        for surroundings in self._surroundings(ids, self.model.config.styles.index(style)):
            paths = self._extend(paths, surroundings)
        best = next((path for path in paths if path.primaries == 1), paths[0])
        return _with_primary([phone for label in best.labels for phone in self._phones[label]])

    def _surroundings(self, ids: Sequence[int], style: int) -> Tensor:
        """(letters, d_model)"""
        window = self.model.config.window
        padded = torch.tensor([0] * window + list(ids) + [0] * window)
        styles = torch.full((len(ids),), style)
        return self.model.surroundings(padded.unfold(0, 2 * window + 1, 1), styles)

    def _extend(self, paths: list[_Path], surroundings: Tensor) -> list[_Path]:
        """The best beginnings with one letter more, best first."""
        length = self.model.config.history
        recent = [((-1,) * length + path.labels)[-length:] for path in paths]
        scores = self.model.scores(
            surroundings.expand(len(paths), -1),
            torch.tensor(recent) + 1,
            torch.tensor([stress_state(path.vowels, path.primaries > 0) for path in paths]),
        ).log_softmax(-1)
        best = scores.topk(min(self.beam, scores.shape[1]), dim=-1)
        extended = [
            _Path(
                path.score + value,
                (*path.labels, label),
                path.vowels + self._vowels[label],
                path.primaries + self._primaries[label],
            )
            for path, values, labels in zip(paths, best.values.tolist(), best.indices.tolist(), strict=True)
            for value, label in zip(values, labels, strict=True)
        ]
        return sorted(extended, key=lambda path: -path.score)[: self.beam]


def _with_primary(phones: Sequence[str]) -> Phones:
    """The phones with exactly one primary stress where there is a vowel: the first of those there are."""
    vowels = [place for place, phone in enumerate(phones) if phone[-1] in "012"]
    primary = [place for place in vowels if phones[place][-1] == "1"]
    chosen = (primary or [place for place in vowels if phones[place][-1] == "2"] or vowels)[:1]
    return tuple(
        phone[:-1] + "1" if place in chosen else phone[:-1] + "2" if place in primary else phone
        for place, phone in enumerate(phones)
    )
