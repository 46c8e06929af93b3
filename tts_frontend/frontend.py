"""The whole front end as a stream: Llama tokens in, phones in groups out, as soon as they are certain.

Normalizer and Pronouncer in a row. A group waits only while one of its words does: "the" for the next word,
a homograph for the tokens its model looks at. Every token is taken by itself, so that the result does not
depend on how tokens were pushed. Punctuation becomes a pause that carries the mark.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from speech_core.events import Phone, PhoneGroup, SpokenGroup, SpokenWord, TokenEvent
from tts_frontend.languages.en.phones import SILENCE
from tts_frontend.normalizer import TextNormalizer
from tts_frontend.pronunciation import Pronouncer, WordContext

_WORDS_BEFORE = 2
_MAX_TOKENS = 512  # kept for homographs; what lies further back is unknown to them


class _Token(NamedTuple):
    """A Llama token, its number in the stream and the end of its text in the whole text."""

    number: int
    end: int
    embedding: Tensor | None


class _TokenWindow:
    """The last Llama tokens with the ends of their texts."""

    def __init__(self) -> None:
        self._tokens: deque[_Token] = deque(maxlen=_MAX_TOKENS)
        self._count = self._end = 0

    def add(self, event: TokenEvent) -> None:
        """One more token."""
        self._end += len(event.text)
        self._tokens.append(_Token(self._count, self._end, event.embedding))
        self._count += 1

    @property
    def d_llama(self) -> int:
        """Width of the embeddings the tokens come with, 0 without."""
        last = self._tokens[-1].embedding if self._tokens else None
        return 0 if last is None else int(last.shape[-1])

    def number_at(self, character: int) -> int | None:
        """Number of the token in which a character lies, None if it is not here."""
        return next((token.number for token in self._tokens if token.end > character), None)

    def have_behind(self, character: int, count: int) -> bool:
        """Whether `count` tokens behind that of a character have come."""
        number = self.number_at(character)
        return number is not None and number + count < self._count

    def states(self, word: SpokenWord, count: int) -> tuple[Tensor, Tensor] | None:
        """States (2 + count, d_llama) of the token before a word, its last one and `count` behind; known."""
        first, last = self.number_at(word.start), self.number_at(word.end - 1)
        start = self._count - len(self._tokens)
        if first is None or last is None:
            return None
        wanted = [first - 1, *range(last, last + count + 1)]
        rows = [
            self._tokens[number - start].embedding if start <= number < self._count else None
            for number in wanted
        ]
        found = [row for row in rows if row is not None]
        if not found:
            return None
        known = torch.tensor([row is not None for row in rows])
        blank = torch.zeros_like(found[0])
        return torch.stack([blank if row is None else row for row in rows]).float().cpu(), known

    def drop_before(self, character: int) -> None:
        """Forget tokens that end before a character, but the last two of them."""
        while len(self._tokens) > 2 and self._tokens[2].end <= character:
            self._tokens.popleft()


@dataclass
class _Pending:
    """A group whose first words have their phones."""

    group: SpokenGroup
    phones: list[Phone] = field(default_factory=list)
    done: int = 0


class FrontendStream:
    """Stream of TokenEvents (or of text, by `push_text`) to PhoneGroups."""

    def __init__(self, pronouncer: Pronouncer, normalizer: TextNormalizer | None = None) -> None:
        """normalizer: a new one, since it is a stream of its own."""
        self._pronouncer, self._normalizer = pronouncer, normalizer or TextNormalizer()
        self._tokens = _TokenWindow()
        self._pending: deque[_Pending] = deque()
        self._before: deque[SpokenWord] = deque(maxlen=_WORDS_BEFORE)
        self._word_count = 0
        self._silent = True  # nothing was said since the last pause
        self._ended = False

    def push(self, events: TokenEvent | Sequence[TokenEvent]) -> list[PhoneGroup]:
        """Groups that are now final. Raises StreamClosedError after `flush`, InputError after `push_text`."""
        out: list[PhoneGroup] = []
        events = [events] if isinstance(events, TokenEvent) else events
        if not events:
            self._normalizer.push(())
        for event in events:
            groups = self._normalizer.push(event)
            self._tokens.add(event)
            out += self._take(groups)
        return out

    def push_text(self, text: str) -> list[PhoneGroup]:
        """`push` of text without tokens. Raises StreamClosedError after `flush`, InputError after `push`."""
        return self._take(self._normalizer.push_text(text))

    def flush(self) -> list[PhoneGroup]:
        """The rest; afterwards the stream is closed, and a second flush returns nothing."""
        groups = self._normalizer.flush()
        self._pending.extend(_Pending(group) for group in groups)
        self._ended = True
        return self._finished()

    def _take(self, groups: Sequence[SpokenGroup]) -> list[PhoneGroup]:
        self._pending.extend(_Pending(group) for group in groups)
        return self._finished()

    def _finished(self) -> list[PhoneGroup]:
        """The groups at the front whose words can all be said."""
        out: list[PhoneGroup] = []
        while self._pending and self._say_words(self._pending[0]):
            done = self._pending.popleft()
            words = tuple(word for word in done.group.words if word.text)
            out.append(PhoneGroup(tuple(done.phones), words, done.group.token_ids, done.group.embeddings))
        return out

    def _say_words(self, pending: _Pending) -> bool:
        """Say the words of a group as far as possible; whether that was all."""
        words = pending.group.words
        while pending.done < len(words):
            word, after = words[pending.done], self._after(pending)
            need = self._pronouncer.need(word, self._tokens.d_llama)
            if not self._ended and len(after) < need.words:
                return False
            if not self._ended and need.tokens and not self._tokens.have_behind(word.end - 1, need.tokens):
                return False
            states = self._tokens.states(word, need.tokens) if need.tokens else None
            context = WordContext(tuple(self._before), after[: need.words], *(states or (None, None)))
            pending.phones += self._phones_of(word, self._pronouncer.pronounce(word, context))
            pending.done += 1
            self._before.append(word)
            self._tokens.drop_before(word.start)
        return True

    def _after(self, pending: _Pending) -> tuple[SpokenWord, ...]:
        """A few words behind the next one of the first group."""
        rest = [*pending.group.words[pending.done + 1 :]]
        rest += [word for group in islice(self._pending, 1, 4) for word in group.group.words]
        return tuple(rest[:4])

    def _phones_of(self, word: SpokenWord, symbols: Sequence[str]) -> list[Phone]:
        """The word's phones, and a pause where it carries a mark and something was said."""
        phones = [
            Phone(symbol, self._word_count, place, len(symbols) - 1 - place, word.punctuation)
            for place, symbol in enumerate(symbols)
        ]
        self._word_count += bool(word.text)
        self._silent = self._silent and not phones
        if word.punctuation and not self._silent:
            phones.append(Phone(SILENCE, punctuation=word.punctuation))
            self._silent = True
        return phones


def phones_of(text: str, pronouncer: Pronouncer) -> list[PhoneGroup]:
    """All groups of a text, without a Llama."""
    stream = FrontendStream(pronouncer)
    return stream.push_text(text) + stream.flush()
