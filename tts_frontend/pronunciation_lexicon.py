"""Words and their phones: a compact file that loads in a tenth of a second, and plain text files of users.

The file is zlib: the words in order, a line each, an empty line, and their phones in the same order, one
character a phone (its id in the language's inventory, counted from "!" for silence).
"""

import zlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

from speech_core.errors import CheckpointError, InputError
from tts_frontend.languages.en.phones import PHONE_IDS, PHONES, parse_phones

Phones = tuple[str, ...]

_FIRST = ord("!")


class Lexicon:
    """Words as they are written, with one pronunciation each; a capital letter counts."""

    def __init__(self, words: Sequence[str], codes: Sequence[str]) -> None:
        """words in order of their code points; codes: their phones as `encode_phones` gives them."""
        self._words, self._codes = words, codes

    def __len__(self) -> int:
        return len(self._words)

    def find(self, word: str) -> Phones | None:
        """Its phones, or None where it is not in the lexicon."""
        place = bisect_left(self._words, word)
        if place == len(self._words) or self._words[place] != word:
            return None
        return decode_phones(self._codes[place])

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """Read a file of `write_lexicon`. Raises CheckpointError when it is missing or damaged."""
        try:
            words, codes = zlib.decompress(path.read_bytes()).decode("utf-8").split("\n\n")
        except FileNotFoundError:
            raise CheckpointError(f"{path} is missing: copy the bundle again") from None
        except (OSError, ValueError, zlib.error) as error:
            raise CheckpointError(f"{path} is no lexicon ({error}): copy the bundle again") from None
        lexicon = cls(words.split("\n") if words else [], codes.split("\n") if codes else [])
        if len(lexicon._words) != len(lexicon._codes):
            raise CheckpointError(f"{path} is incomplete: copy the bundle again")
        return lexicon


def write_lexicon(path: Path, entries: Mapping[str, Phones]) -> None:
    """Write words and phones. Raises InputError for a word with a line break or without phones."""
    for word, phones in entries.items():
        if not word or not phones or "\n" in word:
            raise InputError(f"{word!r} with phones {phones!r} cannot stand in a lexicon")
    words = sorted(entries)
    text = "\n".join(words) + "\n\n" + "\n".join(encode_phones(entries[word]) for word in words)
    path.write_bytes(zlib.compress(text.encode("utf-8"), 9))


def encode_phones(phones: Phones) -> str:
    """One character a phone."""
    return "".join(chr(_FIRST + PHONE_IDS[phone]) for phone in phones)


def decode_phones(code: str) -> Phones:
    """The inverse of `encode_phones`."""
    return tuple(PHONES[ord(character) - _FIRST] for character in code)


def read_user_lexicon(path: Path) -> dict[str, Phones]:
    """Words of a text file: a word, white space, its ARPAbet phones; `#` begins a comment.

        Kyiv     K IY1 IH0 V        # a line a word, a capital letter counts if the word has one
        nginx    EH1 N JH IH0 N EH2 K S

    Raises InputError that names the line.
    """
    entries: dict[str, Phones] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no lexicon in UTF-8: {error}") from None
    for number, line in enumerate(lines, start=1):
        word, _, phones = line.split("#", 1)[0].strip().replace("\t", " ").partition(" ")
        if not word:
            continue
        try:
            entries[word] = parse_phones(phones)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        if not entries[word]:
            raise InputError(f"{path}, line {number}: {word!r} has no phones, such as K IY1 IH0 V")
    return entries
