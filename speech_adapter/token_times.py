"""When each token was spoken, from the peaks of the CTC result.

The CTC head marks each of its tokens with a short peak. Tokens of the Llama that also stand in the CTC
result take over its peak; those between share the time that is left. A token reaches half-way to its
neighbours, but no further than a little around its peak, so that pauses stay pauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

_REACH_S = 0.25  # most time a token extends beyond its peak on either side

Span = tuple[float, float]  # start and end in seconds


def peak_spans(starts: Sequence[int], ends: Sequence[int], position_s: float) -> list[Span]:
    """Peaks in seconds from first and last + 1 positions."""
    return [(start * position_s, end * position_s) for start, end in zip(starts, ends, strict=True)]


def token_spans(
    token_ids: Sequence[int], heard_ids: Sequence[int], peaks: Sequence[Span], duration_s: float
) -> list[Span]:
    """Start and end of each of `token_ids` in seconds, in order, within 0 and `duration_s`.

    heard_ids, peaks: the CTC tokens and where each was heard.
    """
    return _widened(_placed(token_ids, heard_ids, peaks, duration_s), duration_s)


def even_spans(count: int, peaks: Sequence[Span]) -> list[Span]:
    """`count` equal spans from the first peak to the last: of tokens that are no transcript of the speech."""
    start, end = (peaks[0][0], peaks[-1][1]) if peaks else (0.0, 0.0)
    step = (end - start) / max(count, 1)
    return [(start + number * step, start + (number + 1) * step) for number in range(count)]


def _placed(
    token_ids: Sequence[int], heard_ids: Sequence[int], peaks: Sequence[Span], duration_s: float
) -> list[Span]:
    """A peak for each token: its own where both results agree, an even share of the gap elsewhere."""
    spans: list[Span] = []
    matcher = SequenceMatcher(None, list(heard_ids), list(token_ids), autojunk=False)
    for _, heard_from, heard_to, first, last in matcher.get_opcodes():
        if last - first == heard_to - heard_from:
            spans += peaks[heard_from:heard_to]  # equal, or replaced one for one
            continue
        left = peaks[heard_from][0] if heard_to > heard_from else _end_of(spans)
        right = peaks[heard_to - 1][1] if heard_to > heard_from else _start_at(peaks, heard_to, duration_s)
        step = (max(right, left) - left) / max(last - first, 1)
        spans += [(left + number * step, left + (number + 1) * step) for number in range(last - first)]
    return spans


def _end_of(spans: Sequence[Span]) -> float:
    return spans[-1][1] if spans else 0.0


def _start_at(peaks: Sequence[Span], number: int, duration_s: float) -> float:
    return peaks[number][0] if number < len(peaks) else duration_s


def _widened(peaks: Sequence[Span], duration_s: float) -> list[Span]:
    """Peaks extended to half-way between neighbours, at most by the reach."""
    spans = []
    for number, (start, end) in enumerate(peaks):
        before = (peaks[number - 1][1] + start) / 2 if number else 0.0
        after = (end + peaks[number + 1][0]) / 2 if number + 1 < len(peaks) else duration_s
        begin = min(max(before, start - _REACH_S, 0.0), duration_s)
        spans.append((begin, max(min(after, end + _REACH_S, duration_s), begin)))
    return spans
