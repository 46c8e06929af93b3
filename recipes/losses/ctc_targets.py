"""Text to CTC classes: the part of the Llama's vocabulary a CTC head knows, and small units."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from speech_core.checkpoint import read_json
from speech_core.errors import InputError


def choose_vocabulary(tokenizer: Tokenizer, texts: Iterable[str], size: int) -> list[int]:
    """Llama token ids for a CTC head, sorted: all characters of the texts, then the most frequent tokens.

    With the characters any text of the same alphabet can be written. Raises InputError when there is no text.
    """
    counts: Counter[int] = Counter()
    characters: set[str] = set()
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
        characters.update("".join(encoding.tokens))
    if not counts:
        raise InputError(
            "there are no texts to choose a vocabulary from: the caches hold unlabelled speech only"
        )
    single = [tokenizer.token_to_id(character) for character in sorted(characters)]
    chosen = {token for token in single if token is not None}
    for token, _ in counts.most_common():
        if len(chosen) >= size:
            break
        chosen.add(token)
    return sorted(chosen)


def choose_pieces(tokenizer: Tokenizer, texts: Iterable[str], merges: int, least: int) -> list[int]:
    """Llama token ids for a CTC head that learns from little: parts of words rather than whole words.

    Only tokens made by the first `merges` merges of the Llama's byte pair encoding, and of those, characters
    apart, only what comes at least `least` times in the texts. Raises InputError when there is no text or the
    tokenizer has no merges.
    """
    form = json.loads(tokenizer.to_str())
    if "merges" not in form["model"]:
        raise InputError("this Llama's tokenizer has no merges: choose a vocabulary by its size alone")
    form["model"]["merges"] = form["model"]["merges"][:merges]
    counts: Counter[int] = Counter()
    for encoding in Tokenizer.from_str(json.dumps(form)).encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
    if not counts:
        raise InputError("there are no texts to choose pieces from: the caches hold unlabelled speech only")
    characters = {character for token in counts for character in tokenizer.id_to_token(token) or ""}
    single = {tokenizer.token_to_id(character) for character in characters}
    often = {token for token, count in counts.items() if count >= least}
    return sorted(often | {token for token in single if token is not None})


class CtcTargets:
    """Texts as classes of a CTC head: class i + 1 is `token_ids[i]`; others are written in pieces."""

    def __init__(self, tokenizer: Tokenizer, token_ids: list[int]) -> None:
        self.tokenizer = tokenizer
        self.token_ids = token_ids
        self.classes = {token: number + 1 for number, token in enumerate(token_ids)}
        self.pieces = {tokenizer.id_to_token(token) or "": number for token, number in self.classes.items()}
        self.longest = max(len(piece) for piece in self.pieces)
        self._split: dict[int, list[int]] = {}
        self._writable: dict[str, bool] = {}

    @classmethod
    def of_llama(cls, folder: Path, token_ids: list[int]) -> "CtcTargets":
        """Those of a head that knows these tokens, by the tokenizer in the Llama's folder."""
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")), token_ids)

    def __call__(self, text: str) -> list[int]:
        """Classes of one text, white space squeezed; characters the head cannot write are left out."""
        unknown = {letter for letter in set(text) if not (letter.isspace() or self._is_known(letter))}
        known = "".join(letter for letter in text if letter not in unknown) if unknown else text
        ids = self.tokenizer.encode(" ".join(known.split()), add_special_tokens=False).ids
        return [number for token in ids for number in self._of_token(token)]

    def count(self, texts: Iterable[str]) -> Tensor:
        """How often each class occurs in some texts: (vocabulary,) int64."""
        numbers = torch.tensor([number - 1 for text in texts for number in self(text)], dtype=torch.int64)
        return torch.bincount(numbers, minlength=len(self.token_ids))

    def _is_known(self, character: str) -> bool:
        """Whether every piece of a character is known; half of its bytes would be no character."""
        if character not in self._writable:
            pieces = "".join(self.tokenizer.encode(character, add_special_tokens=False).tokens)
            self._writable[character] = all(piece in self.pieces for piece in pieces)
        return self._writable[character]

    def _of_token(self, token: int) -> list[int]:
        if token in self.classes:
            return [self.classes[token]]
        if token not in self._split:
            self._split[token] = self._in_pieces(self.tokenizer.id_to_token(token) or "")
        return self._split[token]

    def _in_pieces(self, rest: str) -> list[int]:
        """Longest known pieces from the left."""
        numbers = []
        while rest:
            lengths = range(min(self.longest, len(rest)), 0, -1)
            length = next((n for n in lengths if rest[:n] in self.pieces), 0)
            if length:
                numbers.append(self.pieces[rest[:length]])
            rest = rest[max(length, 1) :]
        return numbers


def train_small_units(texts: Iterable[str], size: int) -> Tokenizer:
    """Byte pair encoding of lower-case letters and apostrophes for the auxiliary head; id 0 is the blank."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("’", "'"),
        normalizers.Replace(_not_spoken(), " "),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<blank>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _not_spoken() -> Any:
    from tokenizers import Regex

    return Regex(r"[^\p{L}\p{N}']+")


def save_targets(path: Path, token_ids: list[int], small_units: Tokenizer) -> None:
    """Keep the classes of a run, so that it resumes with the same ones."""
    value = {"token_ids": token_ids, "small_units": json.loads(small_units.to_str())}
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def load_targets(path: Path) -> tuple[list[int], Tokenizer]:
    """The classes of a run."""
    value = read_json(path)
    return value["token_ids"], Tokenizer.from_str(json.dumps(value["small_units"]))
