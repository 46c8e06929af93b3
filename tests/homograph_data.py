"""A little of the Wikipedia Homograph Data's format, in which the word before decides the reading."""

import csv
import gzip
from pathlib import Path

BEFORE = {"record_vrb": ("to", "will"), "record_nou": ("the", "a"), "bass": ("loud",), "bass_fish": ("wet",)}
WORDS = {"record": ("record_nou", "record_vrb"), "bass": ("bass", "bass_fish")}
IPA = {"record_nou": "'ɹɛkɚd", "record_vrb": "ɹə'kɔːɹd", "bass": "'beɪs", "bass_fish": "'bæs"}


def write_homographs(folder: Path, repeats: int = 6) -> Path:
    """homographs/ in `folder`: train and eval with the same kinds of sentences, and wordids.tsv."""
    target = folder / "homographs"
    target.mkdir(parents=True)
    for split, first in (("train", 0), ("eval", 1000)):
        with gzip.open(target / f"{split}.tsv.gz", "wt", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
            writer.writerow(["homograph", "wordid", "sentence", "start", "end"])
            writer.writerows(row for number in range(repeats) for row in _rows(first + number))
    with (target / "wordids.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["homograph", "wordid", "label", "pronunciation"])
        writer.writerows([word, name, "", IPA[name]] for word, names in WORDS.items() for name in names)
    return folder


def _rows(number: int) -> list[list[str]]:
    """Sentences of every reading; an accent in front, since offsets count bytes."""
    rows = []
    for word, names in WORDS.items():
        for name in names:
            for before in BEFORE[name]:
                text = f"Née {chr(97 + number % 26)}, {before} {word} here."
                start = text.encode().index(word.encode())
                rows.append([word, name, text, str(start), str(start + len(word))])
    return rows
