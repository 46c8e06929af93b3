"""Where a draft goes on after the Llama has corrected it.

The tokens accepted so far are aligned with the draft by edit distance; the rest of the draft behind the
best place is tried next. The choice cannot change the result, only how many passes it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from math import inf

_SIMILAR_COST = 0.5  # of tokens that share most letters: a misheard word, not a missing one
_SIMILAR_RATIO = 0.5
_BAND = 16  # places looked at on either side of the last one


class DraftAligner:
    """Follows one draft while tokens are accepted."""

    def __init__(self, draft: Sequence[int], text_of: Callable[[int], str] | None = None) -> None:
        """text_of: text of a token, to tell similar tokens from unlike ones; without it only ids count."""
        self._draft = list(draft)
        self._text_of = text_of
        self._place = 0  # the draft is expected to go on here
        # Cost of turning the first p draft tokens into the tokens accepted so far, for each p; None as long
        # as these are the beginning of the draft, where the cost is the distance from their end.
        self._costs: list[float] | None = None

    def accept(self, token_id: int) -> None:
        """Take note of the next token the Llama has settled on."""
        if self._costs is None:
            if self._place < len(self._draft) and self._draft[self._place] == token_id:
                self._place += 1
                return
            self._costs = [float(abs(place - self._place)) for place in range(len(self._draft) + 1)]
        first = max(self._place - _BAND, 0)
        last = min(self._place + _BAND, len(self._draft))
        costs = self._next_costs(self._costs, token_id, first, last)
        self._place = min(
            range(first, last + 1), key=lambda place: (costs[place], self._differs(place, token_id), place)
        )
        self._costs = costs

    def rest(self) -> list[int]:
        """The part of the draft expected next."""
        return self._draft[self._place :]

    def _next_costs(self, before: list[float], token_id: int, first: int, last: int) -> list[float]:
        """Costs after one more token, at the places from first to last."""
        costs = [inf] * len(before)
        for place in range(first, last + 1):
            costs[place] = before[place] + 1.0
            if place > 0:
                replaced = before[place - 1] + self._replacement_cost(self._draft[place - 1], token_id)
                costs[place] = min(costs[place], replaced, costs[place - 1] + 1.0)
        return costs

    def _differs(self, place: int, token_id: int) -> bool:
        """Whether the draft does not have this token right before the place; of equal costs, others win."""
        return place == 0 or self._draft[place - 1] != token_id

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
