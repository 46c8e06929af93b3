"""Phones of a text by dictionary, and a CTC head that reads them off the encoder: it hears before it spells.

Words of a Llama's vocabulary that sound alike share nothing in its embedding space; phones let rare words
learn from common ones. Dictionary: CMUdict's format, `word` or `word(2)`, then ARPAbet with stress.
"""

import gzip
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from llama_speech.evaluation.scores import count_edits, error_rate
from recipes.loop.metrics_log import mean_of_numbers
from recipes.losses.speech_losses import ctc_loss
from speech_core.errors import InputError

PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F", "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY",
    "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
OUTPUT_S = 0.04  # of one output: people say up to 20 phones a second
_WORD = re.compile(r"[a-z0-9']+")
_CLASSES = {phone: number for number, phone in enumerate(PHONES, start=1)}  # 0 is the blank


class PhoneDictionary:
    """Classes of texts; the first pronunciation of each word counts."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._words: dict[str, list[int]] = {}
        for line in lines:
            fields = line.partition("#")[0].split()
            if fields and "(" not in fields[0]:
                self._words[fields[0].lower()] = [_CLASSES[phone.rstrip("012")] for phone in fields[1:]]

    @classmethod
    def read(cls, path: Path) -> "PhoneDictionary":
        """From a file, gzipped or plain. Raises InputError if it is no dictionary of this format."""
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
                return cls(lines)
        except (OSError, KeyError) as error:
            raise InputError(f"{path} is no pronouncing dictionary like CMUdict: {error}") from error

    def __call__(self, text: str) -> list[int] | None:
        """Classes of the phones of a text in order, or None if any of its words is unknown."""
        classes: list[int] = []
        for word in _WORD.findall(text.lower().replace("’", "'")):
            found = self._words.get(word) or self._words.get(word.strip("'"))
            if found is None:
                return None
            classes += found
        return classes


class PhoneCtcHead(nn.Module):
    """Reads phones off encodings, one output for every OUTPUT_S; thrown away after training."""

    def __init__(self, d_model: int, encoding_s: float) -> None:
        """encoding_s: seconds of one encoding."""
        super().__init__()
        self.outputs = max(1, round(encoding_s / OUTPUT_S))  # of one encoding
        self.project = nn.Linear(d_model, self.outputs * (1 + len(PHONES)))

    def forward(self, encodings: Tensor, lengths: Tensor, classes: list[list[int] | None]) -> Tensor:
        """CTC loss per phone over the items whose phones are known; zero if none is.

        encodings (batch, encodings, d_model), lengths (batch,), classes of each item or None.
        """
        known = [number for number, found in enumerate(classes) if found is not None]
        if not known:
            return self.project.weight.sum() * 0.0
        log_probs = self._log_probs(encodings[known])
        return ctc_loss(
            log_probs, lengths[known] * self.outputs, [found for found in classes if found is not None]
        )

    def _log_probs(self, encodings: Tensor) -> Tensor:
        """(batch, encodings, d_model) -> (batch, encodings * outputs, 1 + phones), the blank first."""
        scores = self.project(encodings).float().unflatten(-1, (self.outputs, -1))
        log_probs: Tensor = scores.flatten(1, 2).log_softmax(-1)
        return log_probs

    def greedy(self, encodings: Tensor, lengths: Tensor) -> list[list[int]]:
        """Classes heard in each item: the best of every output, repeats and blanks left out."""
        best = self._log_probs(encodings).argmax(-1)
        rows = (row[: int(length) * self.outputs] for row, length in zip(best, lengths, strict=True))
        heard = (torch.unique_consecutive(row).tolist() for row in rows)
        return [[number for number in found if number] for found in heard]


class PhoneFigures:
    """CTC loss per phone and phone error rate over the items whose phones are known, batch by batch."""

    def __init__(self, head: PhoneCtcHead, dictionary: PhoneDictionary) -> None:
        self._head, self._dictionary = head, dictionary
        self._losses: list[float] = []
        self._wanted: list[str] = []
        self._got: list[str] = []

    @torch.no_grad()
    def add(self, encodings: Tensor, lengths: Tensor, texts: Sequence[str]) -> None:
        """Count a batch: encodings (batch, encodings, d_model), lengths (batch,), and what was said."""
        classes = [self._dictionary(text) for text in texts]
        loss = float(self._head(encodings, lengths, classes))
        self._losses.append(loss or math.nan)  # zero: no phones are known
        for found, heard in zip(classes, self._head.greedy(encodings, lengths), strict=True):
            if found:
                self._wanted.append(" ".join(map(str, found)))
                self._got.append(" ".join(map(str, heard)))

    def figures(self) -> dict[str, float]:
        """Mean loss, and errors in percent."""
        rate = error_rate(count_edits(self._wanted, self._got))
        loss = mean_of_numbers(self._losses)
        return {"held_out_phone_loss": loss, "phone_error_rate": math.nan if rate is None else 100 * rate}
