"""CTC prefix beam search with a language model, and where the classes found stand in the sound.

Source: Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
recurrent DNNs", arXiv 1408.2873 (prefix search); Graves et al. 2006 (alignment); Meng et al., arXiv
2011.01991 (what a recognizer knows of language by itself counts twice unless it is taken off).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_adapter.language_model import LanguageModel, State

_NEVER = -math.inf
_SURE_BLANK = -0.002  # above this log-probability of the blank nothing else is tried


@dataclass(frozen=True)
class BeamOptions:
    """How far to search, and how much the language model counts."""

    width: int = 16  # texts kept
    margin: float = 7.0  # nats behind the best text, beyond which nothing is tried
    weight: float = 0.6  # of the language model
    prior: float = 0.5  # of each class's own log-frequency, taken off: the CTC head knows that of itself
    bonus: float = 0.0  # for each class, in nats: the model likes short texts
    least_log_prob: float = -7.0  # classes less likely than this, at a position, are not tried
    most_classes: int = 12  # nor more than the best of so many


@dataclass(eq=False)
class _Prefix:
    """One text: its last class, and log-probabilities of all its paths that end in blank and in speech."""

    number: int
    parent: _Prefix | None
    state: State | None  # of the language model; worked out when something follows
    written: float  # by the language model, with weight and bonus
    blank: float = _NEVER
    spoken: float = _NEVER
    next_blank: float = _NEVER
    next_spoken: float = _NEVER
    foreseen: NDArray[np.float32] | None = None
    children: dict[int, _Prefix] = field(default_factory=dict)

    @property
    def heard(self) -> float:
        return _add(self.blank, self.spoken)


class Found(NamedTuple):
    """A text as classes, and the natural logarithm of how likely it is by sound and language."""

    numbers: list[int]
    score: float


def beam_search(log_probs: NDArray[np.float32], model: LanguageModel, options: BeamOptions) -> list[Found]:
    """The best texts of one item, best first.

    log_probs (positions, 1 + vocabulary), blank first.
    """
    beams = [_Prefix(0, None, model.start(), 0.0, blank=0.0)]
    for row in log_probs:
        if row[0] > _SURE_BLANK:
            for one in beams:
                one.blank, one.spoken = one.heard + float(row[0]), _NEVER
            continue
        beams = _advance(beams, row, model, options)
    return [Found(_numbers(one), _score(one)) for one in sorted(beams, key=_score, reverse=True)]


def _numbers(prefix: _Prefix) -> list[int]:
    numbers, node = [], prefix
    while node.parent is not None:
        numbers.append(node.number)
        node = node.parent
    return numbers[::-1]


def _score(prefix: _Prefix) -> float:
    return prefix.heard + prefix.written


def _advance(
    beams: list[_Prefix], row: NDArray[np.float32], model: LanguageModel, options: BeamOptions
) -> list[_Prefix]:
    """The beams after one more position."""
    tried = np.argpartition(-row[1:], min(options.most_classes, len(row) - 2))[: options.most_classes] + 1
    chances = [(int(n), float(row[n])) for n in tried if row[n] > options.least_log_prob]
    reached: dict[int, _Prefix] = {}
    least = _score(beams[0]) + float(row.max()) - options.margin
    for one in beams:
        heard = one.heard
        reached[id(one)] = one
        one.next_blank = _add(one.next_blank, heard + float(row[0]))
        if one.number:
            one.next_spoken = _add(one.next_spoken, one.spoken + float(row[one.number]))
        for number, chance in chances:
            before = one.blank if number == one.number else heard
            if before == _NEVER:
                continue
            child = one.children.get(number) or _child(one, number, model, options, least - before - chance)
            if child is not None:
                child.next_spoken = _add(child.next_spoken, before + chance)
                reached[id(child)] = child
    for one in reached.values():
        one.blank, one.spoken = one.next_blank, one.next_spoken
        one.next_blank = one.next_spoken = _NEVER
    kept = sorted(reached.values(), key=_score, reverse=True)
    for one in kept[options.width :]:
        one.blank = one.spoken = _NEVER
    return kept[: options.width]


def _child(
    prefix: _Prefix, number: int, model: LanguageModel, options: BeamOptions, least: float
) -> _Prefix | None:
    """The text with one class more; None if what is written of it comes to less than `least`."""
    if prefix.foreseen is None:
        prefix.foreseen = foreseen(model, _state(prefix, model), options)
    written = prefix.written + float(prefix.foreseen[number - 1])
    if written < least:
        return None
    child = _Prefix(number, prefix, None, written)
    prefix.children[number] = child
    return child


def _state(prefix: _Prefix, model: LanguageModel) -> State:
    if prefix.state is None:
        assert prefix.parent is not None
        prefix.state = model.advance(_state(prefix.parent, model), prefix.number)
    return prefix.state


def foreseen(model: LanguageModel, state: State, options: BeamOptions) -> NDArray[np.float32]:
    """What the text so far says for each class as the next, in nats: (vocabulary,), without the blank."""
    likely = options.weight * model.log_probs(state)[1:] - options.prior * model.log_frequencies
    return np.asarray(likely + options.bonus, dtype=np.float32)


def _add(one: float, other: float) -> float:
    """Logarithm of the sum of two probabilities."""
    if one < other:
        one, other = other, one
    return one if other == _NEVER else one + math.log1p(math.exp(other - one))


def align(log_probs: NDArray[np.float32], numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last + 1 position of each class on the likeliest path of a text; empty if it has none.

    log_probs (positions, 1 + vocabulary), blank first.
    """
    states = np.zeros(2 * len(numbers) + 1, dtype=np.int64)  # blank, class, blank, ...
    states[1::2] = numbers
    skips = np.zeros(len(states), dtype=bool)  # a class can follow another one without blank
    skips[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), _NEVER)
    scores[:2] = log_probs[0, states[:2]] if len(log_probs) else _NEVER
    steps = np.zeros((len(log_probs), len(states)), dtype=np.int8)
    for position in range(1, len(log_probs)):
        one = np.concatenate([[_NEVER], scores[:-1]])
        two = np.where(skips, np.concatenate([[_NEVER, _NEVER], scores[:-2]])[: len(states)], _NEVER)
        ways = np.stack([scores, one, two])
        steps[position] = ways.argmax(0)
        scores = ways.max(0) + log_probs[position, states]
    if not numbers or scores[-2:].max() == _NEVER:
        return []
    state = len(states) - 2 + int(scores[-1] > scores[-2])
    path = np.zeros(len(log_probs), dtype=np.int64)
    for position in range(len(log_probs) - 1, -1, -1):
        path[position] = state
        state -= int(steps[position, state])
    spoken = [np.flatnonzero(path == 2 * place + 1) for place in range(len(numbers))]
    return [(int(found[0]), int(found[-1]) + 1) for found in spoken]
