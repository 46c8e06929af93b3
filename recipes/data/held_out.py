"""Texts that no training item may speak: those of every dev part and of the sample clips.

Texts are compared on lower-case letters and digits, word by word. A text is held out if it equals a held-out
one; if it has at least five words and contains one or lies in one of at least five; or if it shares a run of
eight words with one, which catches readings cut at other places of the same page.
"""

import csv
import gzip
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_NOT_WORD = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile(r"['’‘`´]")
MIN_PART_WORDS = 5
RUN_WORDS = 8


def normalized_words(text: str) -> tuple[str, ...]:
    """Words in lower-case letters and digits, in any script; apostrophes join ("don't" is "dont")."""
    return tuple(_NOT_WORD.sub(" ", _APOSTROPHES.sub("", text.lower())).split())


class HeldOutTexts:
    """A set of texts to keep away from, with fast comparison."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._whole: set[str] = set()
        self._parts: set[tuple[str, ...]] = set()  # held-out texts of at least five words
        self._fives: dict[tuple[str, ...], list[str]] = {}  # their first five words, and every five inside
        self._runs: set[tuple[str, ...]] = set()
        for text in texts:
            self._add(normalized_words(text))

    def _add(self, words: tuple[str, ...]) -> None:
        key = "".join(words)
        if not words or key in self._whole:
            return
        self._whole.add(key)
        self._runs.update(_windows(words, RUN_WORDS))
        if len(words) < MIN_PART_WORDS:
            return
        self._parts.add(words)
        for five in _windows(words, MIN_PART_WORDS):
            self._fives.setdefault(five, []).append(" ".join(words))

    def __len__(self) -> int:
        return len(self._whole)

    def holds(self, text: str) -> bool:
        """Whether training must keep away from this text."""
        words = normalized_words(text)
        if "".join(words) in self._whole:
            return True
        if len(words) < MIN_PART_WORDS:
            return False
        return self._is_related(words) or any(run in self._runs for run in _windows(words, RUN_WORDS))

    def _is_related(self, words: tuple[str, ...]) -> bool:
        """Whether one of the two contains the other."""
        spaced = f" {' '.join(words)} "
        for five in _windows(words, MIN_PART_WORDS):
            for held_out in self._fives.get(five, ()):
                if f" {held_out} " in spaced or spaced in f" {held_out} ":
                    return True
        return False


def _windows(words: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    return (words[start : start + size] for start in range(len(words) - size + 1))


def speech_dev_texts(speech_dir: Path) -> Iterator[str]:
    """Texts and translations of every dev part and of the sample clips of a speech directory."""
    for path in sorted([*speech_dir.glob("*/dev.jsonl"), *speech_dir.glob("*/samples.jsonl")]):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield from (text for text in (record.get("text"), record.get("text_raw")) if text)
                yield from (record.get("translation") or {}).values()


def open_text(path: Path) -> Iterator[str]:
    """Lines of a text file, gzipped or not, without their line ends."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        for line in lines:
            yield line.rstrip("\r\n")


def read_rows(path: Path, quoted: bool = False) -> Iterator[list[str]]:
    """Cells of a tab-separated file; `quoted` where they stand in double quotes, as CSV writers put them."""
    if quoted:
        yield from csv.reader(open_text(path), delimiter="\t")
    else:  # a quotation mark is a quotation mark here, and must not swallow the lines after it
        yield from (line.split("\t") for line in open_text(path))


def text_dev_texts(text_dir: Path) -> Iterator[str]:
    """Texts of every dev part of a text directory: dev and eval files, and dev rows of files with a split."""
    for path in sorted(text_dir.rglob("*.tsv*")):
        if path.name.startswith("eval"):
            yield from (row[2] for row in read_rows(path, quoted=True) if len(row) > 2)
        elif path.name.startswith("dev"):
            yield from (text for row in read_rows(path) for cell in row[:2] for text in cell.split(" ||| "))
        elif path.parent.name == "dialogue":
            yield from (row[1] for row in read_rows(path) if row[0] == "dev")
        elif path.parent.name == "parallel":
            yield from (cell for row in read_rows(path) if row[0] == "dev" for cell in row[1:3])


def load_held_out(speech_dir: Path | None, text_dir: Path | None) -> HeldOutTexts:
    """All texts to keep away from; a directory that is not given adds nothing."""
    texts: list[str] = []
    if speech_dir is not None:
        texts += speech_dev_texts(speech_dir)
    if text_dir is not None:
        texts += text_dev_texts(text_dir)
    held_out = HeldOutTexts(texts)
    logger.info("%d texts are held out from training", len(held_out))
    return held_out
