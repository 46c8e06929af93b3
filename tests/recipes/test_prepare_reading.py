"""Text for the language model: what is kept of books, recordings and sentences, and what is left out."""

import gzip
import json
from pathlib import Path

import pytest

from recipes.prepare_reading import RunConfig, book_lines, collect, paragraph_lines
from speech_core.errors import InputError

CHAPTER = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml"><body>
<h2>The Second Chapter</h2>
<p>\u201cYou\u2019re late,\u201d said the inspector. \u201cCome in\u2014the door <i>is</i> open.\u201d</p>
<p>It was 1926. Nobody moved in the dark room.</p>
</body></html>"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    chapters = tmp_path / "book" / "src" / "epub" / "text"
    chapters.mkdir(parents=True)
    (chapters / "chapter-2.xhtml").write_text(CHAPTER, encoding="utf-8")
    (chapters / "colophon.xhtml").write_text(CHAPTER.replace("inspector", "printer"), encoding="utf-8")
    return tmp_path / "book"


def test_a_book_is_what_is_said_and_told_in_its_chapters(book: Path) -> None:
    assert list(book_lines(book)) == [
        "You're late",
        "said the inspector.",
        "Come in",
        "the door is open.",
        "Nobody moved in the dark room.",
    ]


def test_lines_that_can_be_read_in_several_ways_are_left_out() -> None:
    assert list(paragraph_lines("He paid $5. Dr. No came at 7. She laughed at him. Oh!")) == [
        "She laughed at him."
    ]
    assert list(paragraph_lines("and " * 41 + "so on")) == []


def test_what_is_held_out_stays_out(book: Path, tmp_path: Path) -> None:
    speech, text = tmp_path / "speech", tmp_path / "text"
    (speech / "kathleen-en").mkdir(parents=True)
    (text / "sentences").mkdir(parents=True)
    clip = {"audio": "a.ogg", "language": "en", "speaker": "k", "duration": 1.0}
    said = [
        {**clip, "text": "Author of the danger trail"},
        {**clip, "text": "Nobody moved in the dark room!"},
    ]
    for part, record in zip(("train", "dev"), said, strict=True):
        (speech / "kathleen-en" / f"{part}.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    with gzip.open(text / "sentences" / "en.txt.gz", "wt", encoding="utf-8") as file:
        file.write("A good day to all.\nNobody moved, in the dark room.\n")
    counts = collect(RunConfig(text_dir=text, speech_dir=speech, books=(book,), out=tmp_path / "out"))
    assert counts == {"speech": 1, "sentences": 1, "books": 4}
    assert (tmp_path / "out" / "speech.txt").read_text(encoding="utf-8") == "Author of the danger trail\n"
    assert "Nobody" not in (tmp_path / "out" / "books.txt").read_text(encoding="utf-8")


def test_a_folder_that_is_no_book_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no chapters"):
        list(book_lines(tmp_path))
    (tmp_path / "chapter-1.xhtml").write_text("<html><p>open", encoding="utf-8")
    with pytest.raises(InputError, match=r"chapter-1\.xhtml cannot be read"):
        list(book_lines(tmp_path))
