"""How far the Llama's answer may leave the draft, and whether an answer that has begun can still be near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher


def likeness(one: str, other: str) -> float:
    """Share of the words of two texts that they have in common and in order, 0 to 1; case does not count."""
    first, second = _words(one), _words(other)
    if not first and not second:
        return 1.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def most_likeness(begun: str, draft: str) -> float:
    """An upper bound of the likeness to a draft of all texts that begin so; the last word may go on."""
    words, drafted = _words(begun)[:-1], _words(draft)
    if not words and not drafted:
        return 1.0
    common = [0] * (len(drafted) + 1)  # longest common subsequence with each beginning of the draft
    for word in words:
        before = 0  # of the words before this one and the draft up to the last place
        for place, other in enumerate(drafted, start=1):
            longest = before + 1 if word == other else max(common[place], common[place - 1])
            before, common[place] = common[place], longest
    rests = range(len(drafted), -1, -1)  # at best the answer goes on with the rest of the draft
    return max(
        2 * (shared + rest) / (len(words) + rest + len(drafted))
        for shared, rest in zip(common, rests, strict=True)
    )


def within_reach(
    draft: str, least: float, text_of: Callable[[Sequence[int]], str]
) -> Callable[[Sequence[int]], bool]:
    """Whether an answer that begins with these tokens can still come as near to the draft as `least`."""
    return lambda token_ids: most_likeness(text_of(token_ids), draft) >= least


def _words(text: str) -> list[str]:
    return text.lower().split()
