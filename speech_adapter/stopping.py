"""When an answer ends: an end-of-turn token, the limit of tokens, or a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech_core.errors import ConfigError

TOKENS_PER_SECOND = 10  # of audio; with TOKENS_EXTRA the limit of a transcript
TOKENS_EXTRA = 32


@dataclass(frozen=True)
class StopRules:
    """What ends an answer. The end-of-turn token itself is not part of it."""

    end_ids: frozenset[int]
    max_tokens: int
    loop_repeats: int = 4  # a group of tokens said so many times in a row, ...
    loop_tokens: int = 16  # ... and so many tokens in all, is a loop
    loop_period: int = 24  # longest group looked for, in tokens
    # Whether an answer that begins so may go on; asked by `decode` after each pass, not by `stop_reason`.
    within_reach: Callable[[Sequence[int]], bool] | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 0 or self.loop_repeats < 2 or self.loop_period < 1:
            raise ConfigError("need max_tokens >= 0, loop_repeats >= 2 and loop_period >= 1")


def speech_token_limit(duration_s: float) -> int:
    """Most tokens of an answer to speech of this length: noise cannot start an endless answer."""
    return int(TOKENS_PER_SECOND * duration_s) + TOKENS_EXTRA


def stop_reason(token_ids: Sequence[int], rules: StopRules) -> str | None:
    """Why generation stops after these tokens: "end", "loop" or "length"; None if it goes on.

    token_ids: all tokens so far, an end-of-turn token included. To be asked after every token.
    """
    if token_ids and token_ids[-1] in rules.end_ids:
        return "end"
    if loop_period(token_ids, rules) is not None:
        return "loop"
    return "length" if len(token_ids) >= rules.max_tokens else None


def loop_period(token_ids: Sequence[int], rules: StopRules) -> int | None:
    """Length of the group of tokens that the tail repeats often enough to be a loop, or None."""
    for period in range(1, rules.loop_period + 1):
        needed = max(rules.loop_repeats * period, rules.loop_tokens)
        if len(token_ids) < needed:
            continue
        tail = list(token_ids[-needed:])
        if tail[period:] == tail[:-period]:
            return period
    return None


def without_ending(token_ids: Sequence[int], reason: str | None, rules: StopRules) -> int:
    """How many of the tokens belong to the answer: not an end token, and of a loop only its first round."""
    count = len(token_ids)
    if reason == "end":
        return count - 1
    period = loop_period(token_ids, rules) if reason == "loop" else None
    if period is None:
        return count
    while count > period and token_ids[count - 1] == token_ids[count - 1 - period]:
        count -= 1
    return count
