"""Sentences with a homograph whose reading is known: the Wikipedia Homograph Data (Gorman et al., LREC 2018).

Apache-2.0; the sentences are Wikipedia's (CC BY-SA) and stay out of the repository.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.tables.pronunciation_scores import edit_distance
from speech_core.errors import InputError
from tts_frontend.homographs import NOUN, SHARED, VERB
from tts_frontend.languages.en.phones import from_ipa, parse_phones

Phones = tuple[str, ...]

SPLITS = ("train", "eval")
# Where the transcriptions of the data, or both dictionaries, are wanting.
_OWN_READINGS = {
    "august": "AO1 G AH0 S T", "august_nam": "AW1 G UH2 S T", "elaborate_vrb": "IH0 L AE1 B ER0 EY2 T",
    "export_vrb": "IH0 K S P AO1 R T", "moderate_vrb": "M AA1 D ER0 EY2 T",
    "perfume_nou": "P ER1 F Y UW2 M",
    "recount_nou": "R IY1 K AW2 N T", "mate_nou": "M AA1 T EY2", "expose_nou": "EH2 K S P OW0 Z EY1",
    "rodeo": "R OW1 D IY0 OW2", "rodeo_geo": "R OW0 D EY1 OW0",
}  # fmt: skip
_LONG_IPA = {"eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "ː": "", "'": "ˈ", "0": "", "1": ""}


@dataclass(frozen=True)
class HomographSentence:
    """One sentence. start, end: characters of the homograph in it; reading: its word id."""

    word: str
    reading: str
    text: str
    start: int
    end: int


def read_homographs(text_dir: Path, split: str) -> list[HomographSentence]:
    """The sentences of a split in order. Raises InputError when the file is missing or damaged."""
    path = text_dir / "homographs" / f"{split}.tsv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): name the folder of texts") from None
    return [_sentence(path, number, row) for number, row in enumerate(rows, start=2)]


def _sentence(path: Path, line: int, row: dict[str, str]) -> HomographSentence:
    """A row with its byte offsets as characters."""
    text, data = row["sentence"], row["sentence"].encode()
    start, end = (len(data[: int(row[name])].decode("utf-8", "ignore")) for name in ("start", "end"))
    if text[start:end].lower() != row["homograph"]:
        raise InputError(f"{path}, line {line}: {text[start:end]!r} is not {row['homograph']!r}")
    return HomographSentence(row["homograph"], row["wordid"], text, start, end)


def read_readings(text_dir: Path, dictionary: Mapping[str, Iterable[Phones]]) -> dict[str, dict[str, Phones]]:
    """Phones of every word id, by homograph.

    The dictionary's pronunciation nearest to the transcription of the data is taken, so that both speak
    alike; where that tells two readings of a word not apart, the transcription itself.
    """
    path = text_dir / "homographs" / "wordids.tsv"
    found: dict[str, dict[str, Phones]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            readings = found.setdefault(row["homograph"], {})
            readings[row["wordid"]] = _reading(row, list(dictionary.get(row["homograph"], ())), readings)
    return found


def _reading(row: dict[str, str], known: Sequence[Phones], others: Mapping[str, Phones]) -> Phones:
    if row["wordid"] in _OWN_READINGS:
        return parse_phones(_OWN_READINGS[row["wordid"]])
    ipa = row["pronunciation"]
    for long, short in _LONG_IPA.items():
        ipa = ipa.replace(long, short)
    written = from_ipa(ipa)
    free = [phones for phones in known if phones not in others.values()]
    nearest = min(free, key=lambda phones: edit_distance(_rough(phones), _rough(written)), default=written)
    return nearest if edit_distance(_rough(nearest), _rough(written)) < 2 else written


def _rough(phones: Phones) -> Phones:
    """With one symbol for the vowels that reduce to schwa."""
    return tuple("@" if phone in ("AH0", "IH0") else phone for phone in phones)


def kind_of(reading: str) -> str | None:
    """noun (adjectives too) or verb by the name of a word id, None where it tells more than that."""
    kinds = reading.partition("_")[2]
    if kinds in ("nou", "adj", "adj-nou"):
        return NOUN
    return VERB if kinds == "vrb" else None


def shared_homographs(
    variants: Mapping[str, Mapping[str, Phones]], own: Iterable[str]
) -> dict[str, dict[str, Phones]]:
    """Words of misaki, other than `own`, that sound otherwise as a noun (or adjective) and as a verb."""
    found: dict[str, dict[str, Phones]] = {}
    for word, tags in variants.items():
        noun = tags.get("NOUN") or tags.get("ADJ") or tags["DEFAULT"]
        verb = tags.get("VERB") or tags["DEFAULT"]
        if set(tags) <= {"DEFAULT", "NOUN", "VERB", "ADJ"} and noun != verb and word not in own:
            found[word] = {NOUN: tuple(noun), VERB: tuple(verb)}
    return found


def untrained_homographs(
    own: Mapping[str, Mapping[str, Phones]], trained: Iterable[str]
) -> dict[str, dict[str, Phones]]:
    """Words that were trained in one reading only, whose head can say nothing: by noun and verb instead.

    trained: word/reading of all readings of the models. Words without just a noun and a verb are left out.
    """
    counts = Counter(reading.partition("/")[0] for reading in trained)
    found: dict[str, dict[str, Phones]] = {}
    for word, readings in own.items():
        kinds = {kind_of(name): phones for name, phones in readings.items()}
        if counts[word] == 1 and set(kinds) == {NOUN, VERB} and len(readings) == 2:
            found[word] = {NOUN: kinds[NOUN], VERB: kinds[VERB]}
    return found


def homographs_json(
    own: Mapping[str, Mapping[str, Phones]], shared: Mapping[str, Mapping[str, Phones]]
) -> dict[str, dict[str, object]]:
    """What the component ships: head and readings of each word; `shared` goes before `own`."""
    heads = [(word, word, readings) for word, readings in own.items() if word not in shared]
    heads += [(word, SHARED, readings) for word, readings in shared.items() if word == word.lower()]
    return {
        word: {"head": head, "phones": {name: " ".join(phones) for name, phones in readings.items()}}
        for word, head, readings in sorted(heads)
    }
