"""Collect the English text from which the recognizer's language model is counted.

    python -m recipes.prepare_reading --text-dir TEXT --speech-dir SPEECH --books BOOKS/* --out DATA/reading

Writes one text a line: `speech.txt` (what is said in the recordings of the train parts), `sentences.txt` (the
sentences of the text folder, as written) and `books.txt` (spoken parts and sentences of books, each a folder
of XHTML chapters as Standard Ebooks publishes them). What a dev part or a sample holds is left out. Then
`recipes.train_language_model --texts DATA/reading/{speech,sentences,books}.txt --times 4 2 1`.

Choose books that no recording reads: LibriSpeech was made of books published before 1923.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from recipes.data.corpora import SPEECH_SETS, read_speech_set
from recipes.data.held_out import HeldOutTexts, load_held_out
from recipes.data.sentences import ENGLISH_SOURCES, clean_text, is_speakable, read_source
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import InputError

logger = logging.getLogger(__name__)

FEWEST_WORDS, MOST_WORDS = 2, 40  # of a line from a book
_FRONT = ("colophon", "dedication", "endnotes", "epigraph", "halftitlepage", "imprint", "loi", "titlepage")
_UNSEEN = re.compile("[\u00ad\u200a\u2060\ufeff]")
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z'])|\s*\u2014\s*")
_EDGES = " ,;'\u2013\u2014\u2026-"


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    text_dir: Path = option(Path(), "folder of texts (sentences/, parallel/, dialogue/, ...)")
    speech_dir: Path = option(Path(), "folder of speech sets, each with train.jsonl and dev.jsonl")
    books: tuple[Path, ...] = option((), "folders with chapters as *.xhtml, at any depth")
    out: Path = option(Path(), "folder to write")


def book_lines(folder: Path) -> Iterator[str]:
    """What is said and told in a book, a sentence a line. Raises InputError for a folder without chapters."""
    chapters = sorted(
        path for path in folder.rglob("*.xhtml") if not path.stem.startswith((*_FRONT, "uncopy"))
    )
    if not chapters:
        raise InputError(f"{folder} has no chapters (*.xhtml): give the folder of a book's sources")
    for chapter in chapters:
        try:
            root = ElementTree.parse(chapter).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise InputError(f"{chapter} cannot be read as XHTML: {error}") from error
        for paragraph in root.iter("{http://www.w3.org/1999/xhtml}p"):
            yield from paragraph_lines("".join(paragraph.itertext()))


def paragraph_lines(paragraph: str) -> Iterator[str]:
    """Speech in quotes and what stands around it, cut into sentences that can be read in one way."""
    plain = " ".join(_UNSEEN.sub("", paragraph).replace("\u2019", "'").replace("\u2018", "'").split())
    for part in re.split("[\u201c\u201d]", plain):
        for sentence in _ENDS.split(part):
            line = clean_text(sentence.strip(_EDGES))
            if FEWEST_WORDS <= len(line.split()) <= MOST_WORDS and is_speakable(line):
                yield line


def said(speech_dir: Path) -> Iterator[str]:
    """Texts of the English recordings of all train parts that may be trained on."""
    for name in sorted(name for name, speech_set in SPEECH_SETS.items() if speech_set.may_train):
        for utterance in read_speech_set(speech_dir, name, "train"):
            if utterance.text and utterance.language == "en":
                yield " ".join(utterance.text.split())


def written(text_dir: Path) -> Iterator[str]:
    """Sentences of the English sources that the text folder has."""
    for source in ENGLISH_SOURCES:
        if (text_dir / source.path).is_file():
            yield from (sentence.text for sentence in read_source(text_dir, source))


def write_lines(path: Path, lines: Iterable[str], held_out: HeldOutTexts) -> int:
    """Write each line once, without those held out; returns how many."""
    kept = [line for line in dict.fromkeys(lines) if not held_out.holds(line)]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return len(kept)


def collect(config: RunConfig) -> dict[str, int]:
    """Write the three files; returns the number of lines of each."""
    held_out = load_held_out(config.speech_dir, config.text_dir)
    config.out.mkdir(parents=True, exist_ok=True)
    files = {
        "speech": said(config.speech_dir),
        "sentences": written(config.text_dir),
        "books": (line for book in config.books for line in book_lines(book)),
    }
    counts = {}
    for name, lines in files.items():
        counts[name] = write_lines(config.out / f"{name}.txt", lines, held_out)
        logger.info("%s: %d lines", name, counts[name])
    return counts


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, collect, __doc__ or "", argv)


if __name__ == "__main__":
    main()
