"""What travels between the parts: small frozen records, fields with units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # text alone is normalized without torch
    from torch import Tensor


@dataclass(frozen=True)
class TokenEvent:
    """One token the Llama has said.

    text: what it adds to the text so far, empty while a character is incomplete.
    embedding: (d_llama,) output of the middle layer at this token, or None if it was not asked for.
    log_prob: natural logarithm of its probability.
    """

    token_id: int
    text: str
    embedding: Tensor | None = None
    log_prob: float = 0.0


@dataclass(frozen=True)
class SpokenWord:
    """A word as it is said, or a pause between words.

    text: one word without white space, "" for a pause; punctuation: what follows it in writing and shapes the
    melody, one of "" , . ; : ? ! - or ... ; start, end: characters of the written text it reads.
    """

    text: str
    start: int
    end: int
    punctuation: str = ""


@dataclass(frozen=True)
class SpokenGroup:
    """Words of a few Llama tokens. embeddings: (tokens, d_llama), one row for each of token_ids, or None."""

    words: tuple[SpokenWord, ...]
    token_ids: tuple[int, ...] = ()
    embeddings: Tensor | None = None


@dataclass(frozen=True)
class Phone:
    """One phone. symbol: of the language's inventory, stress included (AH0), or a pause (SIL).

    word: number of its word in the stream, -1 for pauses; place: its place in the word, from 0;
    remaining: phones of the word that follow it; punctuation: of its word.
    """

    symbol: str
    word: int = -1
    place: int = 0
    remaining: int = 0
    punctuation: str = ""


@dataclass(frozen=True)
class PhoneGroup:
    """Phones of a few Llama tokens. embeddings: (tokens, d_llama), one row for each of token_ids, or None.

    words: those the phones belong to, in order; Phone.word counts them over the whole stream.
    """

    phones: tuple[Phone, ...]
    words: tuple[SpokenWord, ...] = ()
    token_ids: tuple[int, ...] = ()
    embeddings: Tensor | None = None


@dataclass(frozen=True)
class ProsodyEvent:
    """How one phone is said.

    log_duration: natural logarithm of seconds; log_f0: mean natural logarithm of Hz over its voiced frames,
    or None when it is unvoiced; log_power: mean natural logarithm of power relative to full scale.
    """

    phone: Phone
    log_duration: float
    log_f0: float | None
    log_power: float


@dataclass(frozen=True)
class AudioChunk:
    """Sound that follows what came before. samples: (samples,) float32 in -1..1."""

    samples: Tensor
    sample_rate: int
