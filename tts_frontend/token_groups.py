"""Alignment of Llama tokens and TN tokens: the smallest groups whose text spans match, formed while tokens
arrive.

Both kinds of token divide the same bytes, so a group ends exactly where a Llama token and a TN token end at
the same byte. Bytes and not characters, because a byte-level BPE may split a character over tokens. These are
the chunks of arXiv 2407.21783, 8.2.
"""

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from speech_core.errors import StreamClosedError
from tts_frontend.text_tokens import Token, TokenStream

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TokenGroup(NamedTuple):
    """Llama tokens and TN tokens over the same stretch of text.

    token_indices: positions of the Llama tokens in the stream, for looking up their embeddings;
    token_ids: their ids; tn_tokens: the TN tokens (empty only for tokens that carry no text).
    """

    token_indices: tuple[int, ...]
    token_ids: tuple[int, ...]
    tn_tokens: tuple[Token, ...]


@lru_cache(maxsize=1)
def _byte_alphabet() -> dict[str, int]:
    """Character to byte in the printable alphabet of byte-level BPE (printable Latin-1 stands for itself)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}


def byte_level_bytes(piece: str) -> bytes:
    """Bytes of a vocabulary entry of a byte-level BPE (Llama 3, SmolLM); unknown characters stand for
    themselves.
    """
    table = _byte_alphabet()
    return b"".join(bytes((table[c],)) if c in table else c.encode("utf-8") for c in piece)


def sentencepiece_bytes(piece: str) -> bytes:
    """Bytes of a vocabulary entry in SentencePiece style (Llama 1 and 2): "▁" is a space, <0x41> is a
    byte.
    """
    match = _BYTE_PIECE.fullmatch(piece)
    return bytes((int(match[1], 16),)) if match else piece.replace("\u2581", " ").encode("utf-8", "replace")


class GroupStream:
    """Llama token ids in, groups out as soon as they are closed.

    token_bytes: id -> bytes of its text (empty for special tokens). Bytes that are not UTF-8 become U+FFFD,
    one each. Tokens without text travel with the group that is open when they come.
    """

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._cutter = TokenStream()
        self._count = 0
        self._llama: deque[tuple[int, int, int, int]] = deque()  # (index, id, bytes, end byte)
        self._llama_ends: set[int] = set()
        self._common_ends: deque[int] = deque()
        self._byte_end = 0
        self._sizes: deque[int] = deque()  # bytes of each character not yet in a TN token
        self._tn: deque[tuple[Token, int]] = deque()  # (token, end byte)
        self._tn_end = 0
        self._closed = False

    def push(self, token_ids: Iterable[int]) -> list[TokenGroup]:
        """Groups closed by these tokens. Raises StreamClosedError after `flush`."""
        if self._closed:
            raise StreamClosedError(
                "tokens were pushed into a group stream that had been flushed: make a new one"
            )
        for token_id in token_ids:
            data = self._token_bytes(token_id)
            self._byte_end += len(data)
            self._llama.append((self._count, token_id, len(data), self._byte_end))
            self._llama_ends.add(self._byte_end)
            self._count += 1
            self._add_text(self._decoder.decode(data))
        return self._closed_groups()

    def flush(self) -> list[TokenGroup]:
        """The rest, with what is left of an incomplete character as U+FFFD; afterwards the stream is
        closed.
        """
        if self._closed:
            return []
        self._closed = True
        self._add_text(self._decoder.decode(b"", final=True))
        self._add_tokens(self._cutter.flush())
        groups = self._closed_groups()
        if self._llama:
            groups.append(self._take(self._byte_end))
        return groups

    def _add_text(self, text: str) -> None:
        self._sizes.extend(len(c.encode("utf-8", "surrogateescape")) for c in text)
        self._add_tokens(
            self._cutter.push("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text))
        )

    def _add_tokens(self, tokens: list[Token]) -> None:
        for token in tokens:
            self._tn_end += sum(self._sizes.popleft() for _ in token.text)
            self._tn.append((token, self._tn_end))
            if self._tn_end in self._llama_ends:
                self._common_ends.append(self._tn_end)

    def _closed_groups(self) -> list[TokenGroup]:
        """Take every group whose end is known: the bytes where both sides end a token."""
        groups: list[TokenGroup] = []
        while self._common_ends:
            groups.append(self._take(self._common_ends.popleft()))
        return groups

    def _take(self, end: int) -> TokenGroup:
        llama: list[tuple[int, int]] = []
        while self._llama and self._llama[0][3] <= end:
            index, token_id, size, token_end = self._llama.popleft()
            self._llama_ends.discard(token_end)
            llama.append((index, token_id))
            if token_end == end and size and self._llama:
                break
        tokens: list[Token] = []
        while self._tn and self._tn[0][1] <= end:
            tokens.append(self._tn.popleft()[0])
        return TokenGroup(tuple(i for i, _ in llama), tuple(t for _, t in llama), tuple(tokens))
