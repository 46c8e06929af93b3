"""The normalizer as the speaking half uses it: Llama tokens in, groups of spoken words with their embeddings
out.

Words come out with the Llama tokens they are read from, in the smallest groups in which both end at the same
character (the chunks of arXiv 2407.21783, 8.2); embeddings travel with their group. What was given out is
never taken back, and the result does not depend on how the tokens were pushed. Plain text can be pushed
instead: the groups are then those of the words, without ids and embeddings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from speech_core.errors import InputError, StreamClosedError
from speech_core.events import SpokenGroup, SpokenWord, TokenEvent
from tts_frontend.config import RIGHT_CONTEXT, NormalizerConfig
from tts_frontend.normalizer_rules import RuleNormalizer, Spoken
from tts_frontend.spoken_words import PlacedWord, WordCutter

if TYPE_CHECKING:
    from torch import Tensor

    from tts_frontend.tagger import Tagger, TaggerStream


class _Placed(NamedTuple):
    """A Llama token and the end of its text in the whole text."""

    event: TokenEvent
    end: int


class WordGrouper:
    """Finished words and Llama tokens in, groups whose spans match out."""

    def __init__(self) -> None:
        self._tokens: deque[_Placed] = deque()  # not yet known whether a group ends behind them
        self._words: deque[PlacedWord] = deque()
        self._group_tokens: list[_Placed] = []
        self._group_words: list[SpokenWord] = []
        self.end = 0

    def add_token(self, event: TokenEvent) -> None:
        """One more token behind the others."""
        self.end += len(event.text)
        self._tokens.append(_Placed(event, self.end))

    def add_words(self, words: Sequence[PlacedWord]) -> None:
        """More finished words behind the others."""
        self._words.extend(words)

    def closed(self, settled: int) -> list[SpokenGroup]:
        """Groups that end at or before `settled`, the offset up to which all words are known."""
        out: list[SpokenGroup] = []
        while self._tokens and self._tokens[0].end <= settled:
            token = self._tokens.popleft()
            self._group_tokens.append(token)
            if token.event.text:
                self._take_words(token.end)
                crossed = bool(self._words) and self._words[0].word.start < token.end
                if self._group_words and not crossed:
                    out.append(self._take_group())
        return out

    def flush(self) -> list[SpokenGroup]:
        """The rest; tokens that say nothing come as a group without words."""
        out = self.closed(self.end)
        return [*out, self._take_group()] if self._group_tokens else out

    def _take_words(self, end: int) -> None:
        while self._words and self._words[0].reach <= end:
            self._group_words.append(self._words.popleft().word)

    def _take_group(self) -> SpokenGroup:
        events = [token.event for token in self._group_tokens]
        group = SpokenGroup(tuple(self._group_words), tuple(e.token_id for e in events), _stacked(events))
        self._group_tokens, self._group_words = [], []
        return group


def _stacked(events: Sequence[TokenEvent]) -> Tensor | None:
    """(tokens, d_llama), or None when a token has no embedding."""
    rows = [event.embedding for event in events if event.embedding is not None]
    if not rows or len(rows) < len(events):
        return None
    import torch

    return torch.stack(rows)


def group_words(words: Sequence[PlacedWord]) -> list[SpokenGroup]:
    """Words without tokens: those read from the same characters are one group."""
    groups: list[list[SpokenWord]] = []
    reach = -1
    for word, end in words:
        if groups and word.start < reach:
            groups[-1].append(word)
        else:
            groups.append([word])
        reach = max(reach, end)
    return [SpokenGroup(tuple(group)) for group in groups]


class TextNormalizer:
    """Stream of TokenEvents (or of text, by `push_text`) to SpokenGroups.

    tagger: a trained model that chooses among the readings; without one the rules choose. It attends to the
    embeddings of the events where there are any.
    """

    def __init__(self, config: NormalizerConfig | None = None, tagger: Tagger | None = None) -> None:
        config = config or NormalizerConfig(lookahead_tokens=RIGHT_CONTEXT)
        self._rules, self._tagging = tagged_rules(config, tagger)
        self.config = self._rules.config
        self._cutter = WordCutter()
        self._grouper = WordGrouper()
        self._waiting: list[PlacedWord] = []  # of text without tokens
        self._kind = ""
        self._closed = False

    def push(self, events: TokenEvent | Sequence[TokenEvent]) -> list[SpokenGroup]:
        """Groups that are now final. Raises StreamClosedError after `flush`, InputError after `push_text`."""
        events = [events] if isinstance(events, TokenEvent) else events
        self._check("tokens", bool(events))
        for event in events:
            self._grouper.add_token(event)
            if self._tagging and event.embedding is not None:
                self._tagging.add_state(self._grouper.end, event.embedding)
            self._grouper.add_words(self._read(event.text))
        return self._grouper.closed(self._cutter.settled)

    def push_text(self, text: str) -> list[SpokenGroup]:
        """`push` of text without tokens. Raises StreamClosedError after `flush`, InputError after `push`."""
        self._check("text", bool(text))
        self._waiting += self._read(text)
        final = self._count_final()
        done, self._waiting = self._waiting[:final], self._waiting[final:]
        return group_words(done)

    def flush(self) -> list[SpokenGroup]:
        """The rest; afterwards the stream is closed, and a second flush returns nothing."""
        if self._closed:
            return []
        self._closed = True
        words = self._words(self._rules.flush()) + self._cutter.flush()
        if self._kind == "tokens":
            self._grouper.add_words(words)
            return self._grouper.flush()
        return group_words(self._waiting + words)

    def _check(self, kind: str, used: bool) -> None:
        if self._closed:
            raise StreamClosedError("pushed into a normalizer that had been flushed: make a new one")
        if used and self._kind not in ("", kind):
            raise InputError("tokens and plain text were mixed: give a normalizer one of them only")
        self._kind = kind if used else self._kind

    def _read(self, text: str) -> list[PlacedWord]:
        return self._words(self._rules.push(text))

    def _words(self, pieces: Sequence[Spoken]) -> list[PlacedWord]:
        return [word for piece in pieces for word in self._cutter.add(piece)]

    def _count_final(self) -> int:
        """How many waiting words belong to groups that no later word can join."""
        settled = self._cutter.settled
        open_ones = (number for number, word in enumerate(self._waiting) if word.reach > settled)
        return next(open_ones, len(self._waiting))


def tagged_rules(
    config: NormalizerConfig, tagger: Tagger | None, explain: bool = False
) -> tuple[RuleNormalizer, TaggerStream | None]:
    """The rules with the tagger's choice, and the tagger's stream to show the Llama's states to."""
    if tagger is None:
        return RuleNormalizer(config, explain=explain), None
    tagging = tagger.stream()
    rules = RuleNormalizer(config, tagging.choose, explain, tagging.add_tokens, tagging.last_odds)
    return rules, tagging


def spoken_words(text: str, config: NormalizerConfig | None = None) -> list[SpokenWord]:
    """All words and pauses of `text`, read by the rules.

    >>> [word.text for word in spoken_words("It cost $5.")]
    ['It', 'cost', 'five', 'dollars']
    """
    stream = TextNormalizer(config)
    groups = stream.push_text(text) + stream.flush()
    return [word for group in groups for word in group.words]
