"""What travels between the parts: small frozen records, fields with units."""

from dataclasses import dataclass

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
