"""From what the recognizer says of one piece to timed words and to segments as long as a subtitle."""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from llama_speech.results import Segment, Word

_LONG_PAUSE_S = 1.5  # between words: ends a segment however short it is
_SHORT_PAUSE_S = 0.5  # ends one of _SENTENCE_S or more (times of words reach into the pause by themselves)
_SENTENCE_S = 4.0  # from here on the end of a sentence ends a segment
_LONGEST_S = 10.0  # a longer segment is cut at its widest gap
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")

Decode = Callable[[list[int]], str]


class Recognized(Protocol):
    """What the recognizer says of one piece (speech_adapter.recognizer.Recognition)."""

    @property
    def text(self) -> str:
        """The transcript."""

    @property
    def token_ids(self) -> Sequence[int]:
        """Llama tokens of the text."""

    @property
    def token_log_probs(self) -> Sequence[float]:
        """Natural log-probability of each token."""

    @property
    def token_times_s(self) -> Sequence[tuple[float, float]]:
        """Start and end of each token from the start of the piece; empty if unknown."""

    @property
    def no_speech_prob(self) -> float:
        """How likely the piece holds no speech."""

    @property
    def avg_logprob(self) -> float:
        """Mean log-probability of the tokens."""


@dataclass(frozen=True)
class _Timed:
    """A word, the tokens it is made of, and when it was spoken (seconds from the start of the recording)."""

    text: str
    first: int
    last: int  # exclusive
    start_s: float
    end_s: float


def group_words(token_ids: Sequence[int], decode: Decode) -> list[tuple[str, int, int]]:
    """Words as (text with the space before it, first token, last token + 1); joined they are the whole text.

    A token that ends within a character is joined to the next one. Marks without a space before them belong
    to the word before. Line breaks and runs of spaces become one space.
    """
    words: list[tuple[str, int, int]] = []
    pending_from, known = 0, ""
    for place in range(1, len(token_ids) + 1):
        text = decode(list(token_ids[:place]))
        if text.endswith("\ufffd") and place < len(token_ids):
            continue
        fresh, known = text[len(known) :], text
        if words and (not fresh or not fresh[0].isspace()):
            before, first, _ = words.pop()
            words.append((before + fresh, first, place))
        else:
            words.append((fresh, pending_from, place))
        pending_from = place
    return [(_spaced(text), first, last) for text, first, last in words if one_line(text)]


def _spaced(text: str) -> str:
    """One space before the word if there was any, and none elsewhere but between."""
    return (" " if text[0].isspace() else "") + one_line(text)


def one_line(text: str) -> str:
    """The text with single spaces and without control characters, which could steer a terminal."""
    return " ".join(
        "".join(mark for mark in text if mark.isspace() or unicodedata.category(mark) != "Cc").split()
    )


def to_segments(
    recognized: Recognized, bounds_s: tuple[float, float], decode: Decode, first_id: int
) -> list[Segment]:
    """Segments of one piece of a recording, numbered from `first_id`, each with its words.

    bounds_s: where the piece starts and ends in the recording. Times never run backwards or leave the piece.
    Without token times the piece is one segment without words. No text, no segment.
    """
    if not one_line(recognized.text):
        return []
    words = _timed_words(recognized, bounds_s, decode)
    if not words:
        return [_whole(recognized, bounds_s, first_id)]
    return [_segment(group, recognized, first_id + place) for place, group in enumerate(_cut(words))]


def _timed_words(recognized: Recognized, bounds_s: tuple[float, float], decode: Decode) -> list[_Timed]:
    """Words with times that only go forward; none if the recognizer gave no times."""
    times = recognized.token_times_s
    if len(times) != len(recognized.token_ids):
        return []
    start_s, end_s = bounds_s
    words, reached_s = [], start_s
    for text, first, last in group_words(recognized.token_ids, decode):
        begin = min(max(start_s + times[first][0], reached_s), end_s)
        reached_s = min(max(start_s + times[last - 1][1], begin), end_s)
        words.append(_Timed(text, first, last, begin, reached_s))
    return words


def _cut(words: list[_Timed]) -> list[list[_Timed]]:
    """Cut the words of a piece at pauses, after sentences, and where a segment gets too long."""
    groups: list[list[_Timed]] = [[]]
    for word in words:
        group = groups[-1]
        if group and _ends(group, word):
            groups.append([word])
            continue
        group.append(word)
        if word.end_s - group[0].start_s > _LONGEST_S and len(group) > 1:
            place = _widest_gap(group)
            groups[-1:] = [group[:place], group[place:]]
    return [group for group in groups if group]


def _ends(group: list[_Timed], following: _Timed) -> bool:
    """Whether a segment ends between its last word and the one after."""
    last = group[-1]
    length_s = last.end_s - group[0].start_s
    share = min(length_s / _SENTENCE_S, 1.0)
    if following.start_s - last.end_s >= _LONG_PAUSE_S + share * (_SHORT_PAUSE_S - _LONG_PAUSE_S):
        return True
    return last.text.rstrip().endswith(_SENTENCE_ENDS) and length_s >= _SENTENCE_S


def _widest_gap(group: list[_Timed]) -> int:
    """Number of the word after the longest pause; of equal pauses the last."""
    places = range(1, len(group))
    return max(places, key=lambda place: (group[place].start_s - group[place - 1].end_s, place))


def _segment(group: list[_Timed], recognized: Recognized, number: int) -> Segment:
    """One segment from its words."""
    first, last = group[0].first, group[-1].last
    log_probs = recognized.token_log_probs[first:last]
    words = [
        Word(
            word.text,
            word.start_s,
            word.end_s,
            math.exp(_mean(recognized.token_log_probs[word.first : word.last])),
        )
        for word in group
    ]
    words[0] = replace(words[0], word=words[0].word.lstrip())
    return Segment(
        id=number,
        start=group[0].start_s,
        end=group[-1].end_s,
        text="".join(word.word for word in words).rstrip(),
        tokens=tuple(recognized.token_ids[first:last]),
        avg_logprob=_mean(log_probs),
        no_speech_prob=recognized.no_speech_prob,
        words=tuple(words),
    )


def _whole(recognized: Recognized, bounds_s: tuple[float, float], number: int) -> Segment:
    """The piece as one segment."""
    return Segment(
        id=number,
        start=bounds_s[0],
        end=bounds_s[1],
        text=one_line(recognized.text),
        tokens=tuple(recognized.token_ids),
        avg_logprob=recognized.avg_logprob,
        no_speech_prob=recognized.no_speech_prob,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
