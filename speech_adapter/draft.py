"""Where a draft goes on after the Llama has corrected it.

The tokens accepted so far are aligned with the whole draft by edit distance; the rest of the draft behind
the best place is tried next. The choice cannot change the result, only how many passes it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

_SIMILAR_COST = 0.5  # of tokens that share most letters: a misheard word, not a missing one
_SIMILAR_RATIO = 0.5


class DraftAligner:
    """Follows one draft while tokens are accepted."""

    def __init__(self, draft: Sequence[int], text_of: Callable[[int], str] | None = None) -> None:
        """text_of: text of a token, to tell similar tokens from unlike ones; without it only ids count."""
        self._draft = list(draft)
        self._text_of = text_of
        # cost of turning the first p draft tokens into the tokens accepted so far, for each p
        self._costs = [float(place) for place in range(len(self._draft) + 1)]
        self._place = 0

    def accept(self, token_id: int) -> None:
        """Take note of the next token the Llama has settled on."""
        costs = [self._costs[0] + 1.0]
        for place, drafted in enumerate(self._draft, start=1):
            replaced = self._costs[place - 1] + self._replacement_cost(drafted, token_id)
            costs.append(min(replaced, self._costs[place] + 1.0, costs[-1] + 1.0))
        self._costs = costs
        self._place = min(range(len(costs)), key=lambda place: self._rank(place, token_id))

    def rest(self) -> list[int]:
        """The part of the draft expected next."""
        return self._draft[self._place :]

    def _rank(self, place: int, token_id: int) -> tuple[float, bool, int]:
        """Least cost first; then a place right behind the token just accepted; then the earliest."""
        differs = place == 0 or self._draft[place - 1] != token_id
        return self._costs[place], differs, place

    def _replacement_cost(self, drafted: int, token_id: int) -> float:
        if drafted == token_id:
            return 0.0
        if self._text_of is None:
            return 1.0
        return _text_cost(self._text_of(drafted), self._text_of(token_id))


@lru_cache(maxsize=4096)
def _text_cost(one: str, other: str) -> float:
    """Similar texts cost half of unlike ones; case and spaces around do not count."""
    one, other = one.strip().casefold(), other.strip().casefold()
    alike = one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() > _SIMILAR_RATIO
    return _SIMILAR_COST if alike else 1.0
