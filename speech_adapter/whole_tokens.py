"""A CTC result written in parts of words, told in the tokens the Llama itself would write."""

from collections.abc import Sequence
from itertools import accumulate

from speech_adapter.ctc import CtcHypothesis
from speech_adapter.tokenizer import ChatTokenizer


def whole_tokens(heard: CtcHypothesis, tokenizer: ChatTokenizer) -> CtcHypothesis:
    """The same text in the Llama's own tokens, each from its first part's start to its last part's end.

    The log-probability of a token is the mean over its parts. What the tokenizer cannot put back letter for
    letter (half a character, no byte-level tokens) stays as it is.
    """
    whole = tokenizer.encode(tokenizer.decode(heard.token_ids))
    if whole == heard.token_ids:
        return heard
    parts, wholes = tokenizer.pieces(heard.token_ids), tokenizer.pieces(whole)
    if "".join(parts) != "".join(wholes):
        return heard
    owners = _owners(parts, wholes)
    return CtcHypothesis(
        whole,
        [heard.starts[first] for first, _ in owners],
        [heard.ends[last - 1] for _, last in owners],
        [sum(heard.log_probs[first:last]) / (last - first) for first, last in owners],
    )


def _owners(parts: Sequence[str], wholes: Sequence[str]) -> list[tuple[int, int]]:
    """First and last + 1 part that each whole token shares letters with; both join to the same letters."""
    ends = list(accumulate(len(part) for part in parts))
    found, first, begin = [], 0, 0
    for token in wholes:
        end = begin + len(token)
        while ends[first] <= begin:
            first += 1
        last = first
        while ends[last] < end:
            last += 1
        found.append((first, last + 1))
        begin = end
    return found
