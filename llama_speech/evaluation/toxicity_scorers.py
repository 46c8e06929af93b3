"""Who says that a text is toxic: a word list, any program, or any Python function, behind one interface.

A scorer is named by a short text: `words:FILE`, `command:PROGRAM ...` (reads one JSON object with text and
language a line, prints one number from 0 to 1 a line), `python:MODULE:FUNCTION` (texts, language -> numbers).
No list and no classifier is part of this project: what counts as toxic is for its user to say.
"""

import importlib
import json
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from speech_core.checksums import sha256_of
from speech_core.errors import InputError, SpeechError

UNSPACED = ("zh", "ja", "th")  # written without spaces between words: a term counts anywhere
_MARKS = set("*_#`~|<>[]{}\\^")


class ToxicityScorer(Protocol):
    """Anything that rates texts from 0, harmless, to 1, toxic, and can say exactly what it is."""

    name: str

    def signature(self) -> str:
        """Every option and version that can change a rating."""
        ...

    def score(self, texts: Sequence[str], language: str) -> list[float]:
        """A rating for each text of a language (code). Raises SpeechError when it cannot rate."""
        ...


def clean(text: str) -> str:
    """A text without symbols, control characters and markup, spaces single: what is rated.

    Letters, marks that combine with them, digits and common punctuation stay.
    """
    kept = "".join(
        " " if char in _MARKS or unicodedata.category(char)[0] in "SC" else char
        for char in unicodedata.normalize("NFC", text)
    )
    return " ".join(kept.split())


def _folded(text: str) -> str:
    """Lower case, letters, marks and digits only, single spaces; apostrophes are dropped."""
    text = re.sub("['\u2019]", "", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split())


class WordList:
    """1 when a text holds a term of a list as whole words, else 0. One term a line, `#` opens a comment."""

    def __init__(self, path: Path) -> None:
        """Read the list. Raises InputError when there is none, or nothing in it."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as a list of words: {error}") from None
        self.terms = {_folded(line.partition("#")[0]) for line in lines} - {""}
        if not self.terms:
            raise InputError(f"{path} holds no term: write one a line")
        self.name = f"words:{path.name}"
        self._digest = sha256_of(path)[:12]
        longest_first = sorted(self.terms, key=lambda term: (-len(term), term))
        self._anywhere = re.compile("|".join(map(re.escape, longest_first)))
        self._words = re.compile(rf"(?<!\S)(?:{self._anywhere.pattern})(?!\S)")

    def signature(self) -> str:
        """Name and checksum of the list."""
        return f"{self.name}|sha256:{self._digest}|terms:{len(self.terms)}"

    def score(self, texts: Sequence[str], language: str) -> list[float]:
        """1 or 0 for each text."""
        found = self._anywhere if language in UNSPACED else self._words
        return [float(found.search(_folded(text)) is not None) for text in texts]


class ScoringCommand:
    """Any program that rates lines."""

    def __init__(self, command: str) -> None:
        """Raises InputError for no program."""
        self.words = shlex.split(command)
        if not self.words:
            raise InputError("the scorer `command:` names no program")
        self.name = f"command:{Path(self.words[0]).name}"
        self.command = command

    def signature(self) -> str:
        """The command as given; its versions are not known here."""
        return f"command:{self.command}|version:unknown"

    def score(self, texts: Sequence[str], language: str) -> list[float]:
        """The numbers that the program prints. Raises SpeechError when they are not one a text."""
        lines = "".join(
            json.dumps({"text": text, "language": language}, ensure_ascii=False) + "\n" for text in texts
        )
        try:
            done = subprocess.run(self.words, input=lines, capture_output=True, text=True, check=False)
        except OSError as error:
            raise SpeechError(f"scorer {self.words[0]}: {error}") from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SpeechError(f"scorer {self.words[0]} ended with {done.returncode}: {reason}")
        return _ratings(self.name, done.stdout.split(), len(texts))


class ScoringFunction:
    """Any Python function of (texts, language)."""

    def __init__(self, address: str) -> None:
        """Import MODULE:FUNCTION. Raises InputError when there is no such thing."""
        module, _, function = address.partition(":")
        try:
            found = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"scorer python:{address} cannot be imported: {error}") from None
        self.name = f"python:{address}"
        self._function: Callable[[list[str], str], Sequence[float]] = found

    def signature(self) -> str:
        """The address, and the version the module states, if it does."""
        module = importlib.import_module(self.name.split(":")[1])
        return f"{self.name}|version:{getattr(module, '__version__', 'unknown')}"

    def score(self, texts: Sequence[str], language: str) -> list[float]:
        """What the function returns. Raises SpeechError when that is not a number a text."""
        return _ratings(self.name, list(self._function(list(texts), language)), len(texts))


def _ratings(name: str, values: Sequence[object], wanted: int) -> list[float]:
    """Numbers from 0 to 1, one for each text. Raises SpeechError."""
    try:
        numbers = [float(str(value)) for value in values]
    except ValueError as error:
        raise SpeechError(f"scorer {name} gave no number: {error}") from None
    if len(numbers) != wanted:
        raise SpeechError(f"scorer {name} gave {len(numbers)} numbers for {wanted} texts: one each is needed")
    if any(not 0.0 <= number <= 1.0 for number in numbers):
        raise SpeechError(f"scorer {name} gave a number outside 0 to 1")
    return numbers


def make_scorer(name: str) -> ToxicityScorer:
    """The scorer called `name`. Raises InputError for none."""
    kind, _, rest = name.partition(":")
    if kind == "words" and rest:
        return WordList(Path(rest))
    if kind == "command" and rest:
        return ScoringCommand(rest)
    if kind == "python" and rest:
        return ScoringFunction(rest)
    raise InputError(f"no scorer is called {name!r}: use words:FILE, command:... or python:MODULE:FUNCTION")
