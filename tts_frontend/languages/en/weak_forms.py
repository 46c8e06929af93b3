"""English words whose sound depends on their neighbours: the, to, a, in, used to, and stress before a pause.

As misaki reads them, whose readings the teacher voice speaks. A rule sees the word, its neighbours, and
whether the next one begins with a vowel.
"""

from collections.abc import Callable
from dataclasses import dataclass

Phones = tuple[str, ...]

_BE = "is are was were be been being am get gets got getting become becomes became"
_WITH_PARTICLE = "come came comes coming go goes went going gone get gets got getting bring brings brought"
_BE_FORMS = frozenset(_BE.split())
_PARTICLE_VERBS = frozenset(_WITH_PARTICLE.split())


@dataclass(frozen=True)
class Neighbours:
    """What a rule sees. before, after: words as written, "" where there is none or a pause lies between.

    mark: punctuation behind the word; vowel_next: whether the next word begins with a vowel, None before a
    pause.
    """

    text: str
    before: str
    after: str
    mark: str
    vowel_next: bool | None


def _phones(text: str) -> Phones:
    return tuple(text.split())


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()


def _a(near: Neighbours) -> str:
    """A letter in A B C, in a m, and in vitamin A; else the article."""
    spelled = any(_is_letter(word) and word.lower() != "i" for word in (near.before, near.after))
    spelled = spelled and not (near.text == "a" and near.after.isupper())  # a U S plan
    named = near.text == "A" and near.before != ""
    return "EY1" if spelled or named or near.vowel_next is None else "AH0"


def _the(near: Neighbours) -> str:
    return "DH IY0" if near.vowel_next else "DH AH0"


def _to(near: Neighbours) -> str:
    return {None: "T UW0", False: "T AH0", True: "T UH0"}[near.vowel_next]


def _an(near: Neighbours) -> str:
    return "AE1 N" if near.vowel_next is None else "AH0 N"


def _am(near: Neighbours) -> str:
    return "AE0 M" if near.vowel_next is None else "AH0 M"


def _in(near: Neighbours) -> str:
    return "IH1 N" if near.vowel_next is None or near.before.lower() in _PARTICLE_VERBS else "IH0 N"


def _used(near: Neighbours) -> str:
    return "Y UW1 S T" if near.after.lower() == "to" and near.before.lower() not in _BE_FORMS else "Y UW1 Z D"


def _i(near: Neighbours) -> str:
    return (
        "AY1" if _is_letter(near.before) or (_is_letter(near.after) and near.after.lower() != "a") else "AY2"
    )


_RULES: dict[str, Callable[[Neighbours], str]] = {
    "a": _a, "the": _the, "to": _to, "an": _an, "am": _am, "in": _in, "used": _used, "i": _i,
}  # fmt: skip
WAITING = frozenset(_RULES)
"""Words that must see the next one."""

_BEFORE_PAUSE = {
    "be": "B IY1", "been": "B IH2 N", "by": "B AY1", "can": "K AE1 N", "could": "K UH1 D",
    "could've": "K UH1 D AH0 V", "couldn't": "K UH1 D AH0 N T", "get": "G EH1 T", "gone": "G AO1 N",
    "got": "G AA1 T", "had": "HH AE2 D", "has": "HH AE1 Z", "have": "HH AE1 V", "her": "HH ER2",
    "hers": "HH ER1 Z", "his": "HH IH2 Z", "my": "M AY1", "thee": "DH IY1", "there": "DH EH1 R",
    "there's": "DH EH1 R Z", "these": "DH IY1 Z", "thine": "DH AY1 N", "this": "DH IH1 S",
    "those": "DH OW1 Z", "through": "TH R UW1", "will": "W IH1 L", "won't": "W OW1 N T", "would": "W UH1 D",
    "that": "DH AE1 T",
}  # fmt: skip


def weak_form(near: Neighbours) -> Phones | None:
    """Phones of a word that depends on its neighbours, or None for all others."""
    word = near.text.lower()
    if word in _RULES:
        return _phones(_RULES[word](near))
    if near.mark and word in _BEFORE_PAUSE:
        return _phones(_BEFORE_PAUSE[word])
    return None
