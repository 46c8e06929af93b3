"""Personal data in transcripts: found, and masked or dropped.

By Presidio where it is installed (pip install presidio-analyzer; arXiv 2407.21783, 8.1 used it), or by a few
patterns of our own: mail addresses, telephone and card numbers, addresses of computers.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from speech_core.errors import ConfigError

Finding = tuple[int, int, str]  # first character, last + 1, kind

_PATTERNS = {  # of two that find the same, the first counts
    "IP_ADDRESS": re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
    "EMAIL_ADDRESS": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"),
    "CREDIT_CARD": re.compile(r"\b(?:\d[ -]?){13,16}\b"),
    "PHONE_NUMBER": re.compile(r"(?<!\w)\+?\d(?:[\d ().-]{6,}\d)\b"),
}


SPACY_MODELS = ["en_core_web_lg", "en_core_web_md", "en_core_web_sm"]
_IMPERSONAL = ("DATE_TIME", "LOCATION", "NRP", "ORGANIZATION")


class PersonalData(Protocol):
    """Finds personal data in a text."""

    def found(self, text: str) -> Sequence[Finding]:
        """What was found, by place."""


class PatternScanner:
    """What can be told by its form alone."""

    def found(self, text: str) -> list[Finding]:
        """Findings in order; where two overlap, the one that begins first."""
        all_found = [
            (match.start(), match.end(), kind)
            for kind, pattern in _PATTERNS.items()
            for match in pattern.finditer(text)
        ]
        return without_overlap(all_found)


class PresidioScanner:
    """Presidio Analyzer with its recognizers for English; names are found by a spaCy model."""

    def __init__(self, model: str = "", least_score: float = 0.5) -> None:
        """model: installed spaCy model or folder; "": the largest of SPACY_MODELS. Raises ConfigError."""
        try:
            import spacy.util
            from presidio_analyzer import AnalyzerEngine
            from presidio_analyzer.nlp_engine import NlpEngineProvider
        except ImportError:
            raise ConfigError("presidio is not installed: pip install presidio-analyzer") from None
        wanted = [model] if model else SPACY_MODELS
        found = [name for name in wanted if spacy.util.is_package(name) or Path(name).is_dir()]
        if not found:
            raise ConfigError(f"presidio needs a spaCy model: python -m spacy download {wanted[-1]}")
        models = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": found[0]}]}
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # it lists what it was not asked for
        nlp = NlpEngineProvider(nlp_configuration=models).create_engine()
        self._engine: Any = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
        self._least_score = least_score

    def found(self, text: str) -> list[Finding]:
        """Findings in order; times, places, nationalities and firms alone tell of nobody and are left out."""
        results = self._engine.analyze(text=text, language="en", score_threshold=self._least_score)
        kept = [one for one in results if one.entity_type not in _IMPERSONAL]
        return without_overlap([(one.start, one.end, str(one.entity_type)) for one in kept])


def without_overlap(found: Sequence[Finding]) -> list[Finding]:
    """Findings by place; of two that overlap, the one that begins first, and of those the longer."""
    kept: list[Finding] = []
    for one in sorted(found, key=lambda finding: (finding[0], -finding[1])):
        if not kept or one[0] >= kept[-1][1]:
            kept.append(one)
    return kept


def find_scanner(name: str) -> PersonalData | None:
    """A scanner by name: none, patterns, presidio, presidio:MODEL.

    Raises ConfigError for another, or if it is missing.
    """
    kind, _, model = name.partition(":")
    if name == "none":
        return None
    if name == "patterns":
        return PatternScanner()
    if kind == "presidio":
        return PresidioScanner(model)
    raise ConfigError(f"personal data scanner {name!r} is unknown: use none, patterns or presidio")


def masked(text: str, found: Sequence[Finding]) -> str:
    """The text with the kind of each finding in its place."""
    parts, place = [], 0
    for start, end, kind in found:
        parts += [text[place:start], f"<{kind}>"]
        place = end
    return "".join([*parts, text[place:]])
