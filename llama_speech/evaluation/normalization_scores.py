"""Sentence scorers of text normalization: three levels of folding written conventions, and what they count.

L1: case, apostrophes and punctuation are folded, and "and" inside numbers; L2: also runs of letters, "oh",
British endings and all spaces; L3: also titles and the order of a day and its month. A sentence is right
when the folded output equals one of the folded references.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SCALES = frozenset(["hundred", "thousand", "million", "billion", "trillion"])
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth sixtieth "
    "seventieth eightieth ninetieth hundredth thousandth half quarter"
)
NUMBER_WORDS = frozenset(f"zero o oh {_ONES} {_TENS} {_ORDINALS}".split()) | SCALES
BRITISH = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"isation(s?)\b", r"ization\1"),
        (r"is(e|es|ed|ing)\b", r"iz\1"),
        (r"ys(e|es|ed|ing)\b", r"yz\1"),
        (r"our(s|ed|ing|ite|able|al|)\b", r"or\1"),
        (r"tre(s?)\b", r"ter\1"),
        (r"ogue(s?)\b", r"og\1"),
        (r"ll(ed|ing|er|ers)\b", r"l\1"),
        (r"nce\b", "nse"),
    )
]
TITLES = {
    "mr": "mister", "mrs": "missus", "misses": "missus", "dr": "doctor", "rev": "reverend", "st": "saint",
    "messrs": "messieurs",
    "jr": "junior", "sr": "senior", "gen": "general", "col": "colonel", "capt": "captain",
    "lt": "lieutenant", "sgt": "sergeant",
    "prof": "professor", "gov": "governor", "sen": "senator", "rep": "representative",
}  # fmt: skip
DAYS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine",
    "twelfth": "twelve", "twentieth": "twenty", "thirtieth": "thirty",
}  # fmt: skip
MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_ORDINAL_DAY = (
    r"(?:twenty |thirty )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|"
    r"twelfth|\w+teenth|twentieth|thirtieth)"
)
DAY_FIRST = re.compile(rf"\b(?:the )?({_ORDINAL_DAY}) (?:of )?({MONTHS})\b")
MONTH_FIRST = re.compile(rf"\b({MONTHS}) ((?:twenty |thirty )?\w+)\b")


def fold_words(text: str) -> list[str]:
    """Level 1: the words of `text` without case, apostrophes, punctuation and "and" inside numbers."""
    text = unicodedata.normalize("NFKC", text).lower().replace("'", "").replace("\u2019", "")
    words = "".join(c if c.isalnum() else " " for c in text).split()
    last = len(words) - 1
    return [
        word
        for i, word in enumerate(words)
        if not (word == "and" and 0 < i < last and words[i - 1] in SCALES and words[i + 1] in NUMBER_WORDS)
    ]


def fold1(text: str) -> str:
    """Level 1 as one string."""
    return " ".join(fold_words(text))


def fold2(text: str) -> str:
    """Level 2: letters, "oh", British endings and spaces folded as well."""
    words, out, i = fold_words(text), [], 0
    while i < len(words):
        j = i
        while j < len(words) and len(words[j]) == 1 and words[j].isalpha():
            j += 1
        out.append("".join(words[i:j]) if j > i else "o" if words[i] == "oh" else words[i])
        i = max(j, i + 1)
    for pattern, new in BRITISH:
        out = [pattern.sub(new, word) for word in out]
    return "".join(out)


def _day_cardinal(word: str) -> str:
    return DAYS.get(word) or (word[:-2] if word.endswith("th") and len(word) > 4 else word)


def fold3(text: str) -> str:
    """Level 3: titles and the style of a day of the month folded as well."""
    text = " ".join(TITLES.get(word, word) for word in fold_words(text))
    text = DAY_FIRST.sub(lambda m: m[2] + " " + " ".join(map(_day_cardinal, m[1].split())), text)
    text = MONTH_FIRST.sub(lambda m: m[1] + " " + " ".join(map(_day_cardinal, m[2].split())), text)
    return fold2(text)


FOLDS: dict[str, Callable[[str], str]] = {"L1": fold1, "L2": fold2, "L3": fold3}


@dataclass(frozen=True)
class Pair:
    """A written sentence, every accepted spoken form, and the rejected ones where they are known."""

    written: str
    spoken: tuple[str, ...]
    rejected: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Counts:
    """Sentences in all and right; those that need a change and right; unchanged ones spoiled; rejected forms
    said.
    """

    total: int
    right: int
    changed: int
    changed_right: int
    spoiled: int
    rejected: int

    @property
    def accuracy(self) -> float:
        """Percent of sentences right."""
        return 100 * self.right / max(1, self.total)

    @property
    def changed_accuracy(self) -> float:
        """Percent right of the sentences that need a change."""
        return 100 * self.changed_right / max(1, self.changed)


def is_right(fold: Callable[[str], str], pair: Pair, output: str) -> bool:
    """Whether `output` equals an accepted form under `fold`."""
    folded = fold(output)
    return any(fold(spoken) == folded for spoken in pair.spoken)


def count(level: str, pairs: Sequence[Pair], outputs: Sequence[str]) -> Counts:
    """Score `outputs` against `pairs`, sentence by sentence, at level L1, L2 or L3."""
    fold = FOLDS[level]
    right = [is_right(fold, pair, output) for pair, output in zip(pairs, outputs, strict=True)]
    changed = [not is_right(fold, pair, pair.written) for pair in pairs]
    rejected = [
        any(fold(bad) == fold(output) for bad in pair.rejected)
        for pair, output in zip(pairs, outputs, strict=True)
    ]
    return Counts(
        total=len(pairs),
        right=sum(right),
        changed=sum(changed),
        changed_right=sum(r for r, c in zip(right, changed, strict=True) if c),
        spoiled=sum(not r for r, c in zip(right, changed, strict=True) if not c),
        rejected=sum(rejected),
    )
