"""Case and punctuation for texts without, like LibriSpeech's: from what was heard, or from other texts."""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

_MARKS = '"“”()[]*'
_NOT_PLAIN = re.compile(r"[^\w']")
_SENTENCE_END = ".?!"
_MARKS_BEHIND = ".,?!;:"
_QUESTIONS = frozenset(
    ("what", "who", "why", "how", "where", "when", "which", "is", "are", "do", "does", "did", "can", "could")
)


def plain(word: str) -> str:
    """A word in lower-case letters and digits, with apostrophes."""
    return _NOT_PLAIN.sub("", word.lower().replace("’", "'"))


def cased_like(text: str, heard: str) -> tuple[str, float]:
    """The words of `text`, written as in `heard` where it has them too, and the share of those.

    What follows a full stop, and what begins both, is written large; `i` always is.
    """
    words, found = text.lower().split(), [word for word in heard.split() if plain(word)]
    written, same = list(words), 0
    matcher = SequenceMatcher(None, [plain(word) for word in words], [plain(word) for word in found], False)
    for first, other, size in matcher.get_matching_blocks():
        for place in range(size):
            written[first + place] = found[other + place].strip(_MARKS).rstrip("-—").replace("’", "'")
        same += size
    if written and found:
        written[-1] = _with_end(written[-1], found[-1])
        if found[0][:1].isupper():
            written[0] = _large(written[0])
    return " ".join(_sentences(written)), same / max(len(words), 1)


def _with_end(word: str, heard: str) -> str:
    end = heard.strip(_MARKS)[-1:]
    return word + end if end and end in _MARKS_BEHIND and word[-1] not in _MARKS_BEHIND else word


def _large(word: str) -> str:
    return word[:1].upper() + word[1:]


def _sentences(words: Iterable[str]) -> Iterable[str]:
    """The words, large behind the end of a sentence; `I` is always large."""
    ended = False
    for word in words:
        alone = plain(word) == "i" or word.lower().startswith("i'")
        yield _large(word) if ended or alone else word
        ended = word[-1:] in _SENTENCE_END


class UsualCase:
    """How words are mostly written inside sentences, counted over texts that have case."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(word.strip(_MARKS + _MARKS_BEHIND) for text in texts for word in text.split()[1:])
        self._written: dict[str, str] = {}
        for word, count in counts.most_common():
            if count > 1:
                self._written.setdefault(word.lower(), word)

    def __call__(self, text: str) -> str:
        """The text as one sentence, with a full stop or a question mark."""
        words = [self._written.get(word, word) for word in text.lower().split()]
        if not words:
            return ""
        end = "" if words[-1][-1] in _SENTENCE_END else "?" if words[0].lower() in _QUESTIONS else "."
        return _large(" ".join(_sentences(words))) + end
