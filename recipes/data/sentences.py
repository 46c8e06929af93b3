"""Sentences to be spoken, and the plan of who speaks what.

Only sentences whose reading is beyond doubt are used (no digits, symbols, acronyms, rare abbreviations), and
none that is held out. The plan is endless and fixed by its seed: pass after pass over all sentences in new
orders, some joined to longer passages and some cut to clauses, each with a teacher and a seed of its own.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from recipes.data.held_out import HeldOutTexts, normalized_words, read_rows
from recipes.data.number_phrases import number_phrases
from recipes.data.teachers import TEACHER_SHARES
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

NUMBER_PHRASES = 8_000
CHARACTERS_PER_S = 15.0  # of the teachers, on average; only for planning
_PLAIN = re.compile(r"[A-Za-z][A-Za-z' ,.?!;:-]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,}|\b[A-Za-z]\.(?!$)|\b[B-HJ-Z]\b|[a-z][A-Z]{2}")
_ABBREVIATION = re.compile(
    r"\b(st|co|vs|viz|ie|eg|etc|vol|pp|jr|sr|esq|messrs|col|gen|lt|capt|sgt|prof|rev|hon|mme|mlle|inc|ltd|ft|no)"
    r"\.(?! *$)",
    re.IGNORECASE,
)
_DASHES = re.compile(r"\s*(?:--+|[–—―]|(?<=\s)-(?=\s))\s*")
_QUOTES = re.compile(r'["“”„«»]|(?<!\w)[\'‘]|[\'’](?!\w)')


@dataclass(frozen=True)
class Sentence:
    """A text with its origin."""

    text: str
    source: str
    licence: str


@dataclass(frozen=True)
class TextSource:
    """Where sentences of a text directory lie and how their lines are read."""

    name: str
    path: str
    licence: str
    pick: Callable[[list[str]], str | None]  # cells of a line -> text, or None
    quoted: bool = False  # cells in double quotes


def _train_cell(column: int) -> Callable[[list[str]], str | None]:
    return lambda cells: cells[column] if cells[0] == "train" and len(cells) > column else None


def _cell(column: int) -> Callable[[list[str]], str | None]:
    return lambda cells: cells[column] if len(cells) > column else None


ENGLISH_SOURCES: tuple[TextSource, ...] = (
    TextSource("common-voice-sentences", "sentences/en.txt.gz", "CC0", _cell(0)),
    TextSource("libritts", "sentences/en_libritts_original.tsv.gz", "CC BY 4.0", _cell(1)),
    TextSource("requests", "dialogue/requests.tsv.gz", "CC BY 3.0 and 4.0", _train_cell(1)),
    TextSource("trivia", "dialogue/trivia.tsv.gz", "CC BY 4.0, CC BY-SA 3.0 and 4.0", _train_cell(1)),
    TextSource("ljspeech", "tn/ljspeech_tn/train.tsv.gz", "public domain", _cell(1)),
    TextSource("libritts-tn", "tn/libritts_tn/train.tsv.gz", "CC BY 4.0", _cell(1)),
    TextSource("homographs", "homographs/train.tsv.gz", "CC BY-SA 3.0", _cell(2), quoted=True),
    *(
        TextSource(f"tatoeba-{code}", f"parallel/{code}-en.tsv.gz", "CC BY 2.0 FR", _train_cell(2))
        for code in ("es", "de", "fr", "it", "cs", "nl", "ru")
    ),
)


def clean_text(text: str) -> str:
    """Straight apostrophes, no quotation marks, dashes as commas, single spaces."""
    text = _QUOTES.sub("", text.replace("’", "'").replace("‘", "'").replace("…", "..."))
    text = _DASHES.sub(", ", text)
    text = re.sub(r"\s*([,;:.?!])(?:\s*,)*", r"\1", " ".join(text.split()))
    text = re.sub(r"([,;:?!])(?=\w)", r"\1 ", text)
    return text.strip(" ,;:-")


def is_speakable(text: str) -> bool:
    """Whether there is one way to read this text, so that it can be a target."""
    if not _PLAIN.fullmatch(text) or _ACRONYM.search(text) or _ABBREVIATION.search(text):
        return False
    return 1 <= len(text.split()) <= 60 and len(text) <= 320


def read_source(text_dir: Path, source: TextSource) -> Iterator[Sentence]:
    """Cleaned sentences of one source, in file order; those not fit to be spoken are left out."""
    path = text_dir / source.path
    if not path.is_file():
        raise InputError(f"{path} does not exist: leave source {source.name!r} out")
    for cells in read_rows(path, source.quoted):
        text = source.pick(cells) if cells else None
        cleaned = clean_text(text) if text else ""
        if cleaned and is_speakable(cleaned):
            yield Sentence(cleaned, source.name, source.licence)


def read_sentences(text_dir: Path, held_out: HeldOutTexts, names: Sequence[str] = ()) -> list[Sentence]:
    """English sentences of the named sources, each once, none that is held out.

    Without names: of all sources, and spoken numbers. Raises InputError for an unknown name.
    """
    known = {source.name: source for source in ENGLISH_SOURCES}
    if unknown := sorted(set(names) - set(known)):
        raise InputError(f"text source {unknown[0]!r} is unknown: use some of {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(ENGLISH_SOURCES)
    made = (
        () if names else (Sentence(text, "numbers", "made here") for text in number_phrases(NUMBER_PHRASES))
    )
    read = chain.from_iterable(read_source(text_dir, source) for source in chosen)
    return unique_sentences(chain(read, made), held_out)


def unique_sentences(sentences: Iterable[Sentence], held_out: HeldOutTexts) -> list[Sentence]:
    """Each text once (compared on letters and digits), without the held-out ones."""
    seen: set[str] = set()
    kept: list[Sentence] = []
    dropped = 0
    for sentence in sentences:
        key = "".join(normalized_words(sentence.text))
        if key in seen:
            continue
        seen.add(key)
        if held_out.holds(sentence.text):
            dropped += 1
        else:
            kept.append(sentence)
    logger.info("%d sentences to speak, %d left out because a dev part has them", len(kept), dropped)
    if not kept:
        raise InputError("no sentence is left to speak")
    return kept


@dataclass(frozen=True)
class PlanConfig:
    """How the plan is drawn."""

    seed: int = 0
    joined_share: float = 0.12  # chance that a sentence begins a passage of several
    clause_share: float = 0.12  # chance that it is cut to one of its clauses
    max_passage_s: float = 24.0
    shares: dict[str, float] = field(default_factory=lambda: dict(TEACHER_SHARES))

    def __post_init__(self) -> None:
        if not self.shares or min(self.shares.values()) < 0 or sum(self.shares.values()) <= 0:
            raise ConfigError(f"shares of the teachers must be positive, got {self.shares}")
        if not 0 <= self.joined_share + self.clause_share <= 1:
            raise ConfigError("joined_share and clause_share must be in [0, 1] together")


@dataclass(frozen=True)
class PlannedItem:
    """One utterance to be made."""

    number: int
    text: str
    source: str
    licence: str
    teacher: str
    seed: int

    @property
    def expected_s(self) -> float:
        """Rough length of the speech, seconds."""
        return 0.6 + len(self.text) / CHARACTERS_PER_S


def speaking_plan(
    sentences: Sequence[Sentence], held_out: HeldOutTexts, config: PlanConfig
) -> Iterator[PlannedItem]:
    """Endless plan; the first items of a longer run are those of a shorter one."""
    rng = np.random.default_rng(config.seed)
    teachers = sorted(config.shares)
    chances = np.asarray([config.shares[name] for name in teachers])
    chances = chances / chances.sum()
    number = 0
    while True:
        for text, origin in _one_pass(sentences, config, rng):
            teacher = str(rng.choice(teachers, p=chances))
            seed = int(rng.integers(2**31))
            if held_out.holds(text):
                continue
            yield PlannedItem(number, text, origin.source, origin.licence, teacher, seed)
            number += 1


def _one_pass(
    sentences: Sequence[Sentence], config: PlanConfig, rng: np.random.Generator
) -> Iterator[tuple[str, Sentence]]:
    """Every sentence once, whole, cut to a clause, or joined with later ones of the same source."""
    waiting: dict[str, list[Sentence]] = {}  # begun passages by source
    wanted: dict[str, float] = {}  # their length in characters
    for index in rng.permutation(len(sentences)):
        sentence = sentences[index]
        kind = rng.random()
        if sentence.source in waiting:
            passage = waiting[sentence.source]
            passage.append(sentence)
            if sum(len(part.text) for part in passage) >= wanted[sentence.source]:
                yield _join(waiting.pop(sentence.source)), sentence
        elif kind < config.joined_share:
            waiting[sentence.source] = [sentence]
            wanted[sentence.source] = rng.uniform(0.3, 0.8) * config.max_passage_s * CHARACTERS_PER_S
        elif kind > 1.0 - config.clause_share:
            yield _random_clause(sentence.text, rng), sentence
        else:
            yield sentence.text, sentence


def _join(passage: Sequence[Sentence]) -> str:
    """One text; a sentence without an end gets a full stop if the passage is punctuated."""
    punctuated = any(part.text[-1] in ".?!" for part in passage)
    ends = ["" if part.text[-1] in ".?!" or not punctuated else "." for part in passage]
    return " ".join(part.text + end for part, end in zip(passage, ends, strict=True))


def _random_clause(text: str, rng: np.random.Generator) -> str:
    """A part between punctuation marks; the whole where there is none."""
    clauses = [clause.strip() for clause in re.split(r"[,;:]", text) if clause.strip()]
    return clauses[int(rng.integers(len(clauses)))]


def cut_plan(plan: Iterator[PlannedItem], hours: float, shard_s: float) -> list[list[PlannedItem]]:
    """Whole shards of about `shard_s` seconds, together about `hours`."""
    shards: list[list[PlannedItem]] = []
    for _ in range(max(1, round(hours * 3600.0 / shard_s))):
        shard: list[PlannedItem] = []
        filled_s = 0.0
        while filled_s < shard_s:
            shard.append(next(plan))
            filled_s += shard[-1].expected_s
        shards.append(shard)
    return shards
