"""A small pronouncer with random weights, and token events cut from a text."""

import re
import zlib

import torch

from speech_core.events import TokenEvent
from tts_frontend.homographs import Homograph, HomographChooser, HomographModel, HomographsConfig
from tts_frontend.pronunciation import Choosers, Pronouncer
from tts_frontend.pronunciation_letters import LetterModel, LetterReader, LettersConfig
from tts_frontend.pronunciation_lexicon import Lexicon, encode_phones

D_LLAMA = 8
WORDS = {
    "Polish": "P OW1 L IH0 SH", "and": "AE0 N D", "apple": "AE1 P AH0 L", "be": "B IY0", "call": "K AO1 L",
    "dog": "D AO1 G", "end": "EH1 N D", "hope": "HH OW1 P", "is": "IH0 Z", "open": "OW1 P AH0 N",
    "polish": "P AA1 L IH0 SH", "record": "R EH1 K ER0 D", "stop": "S T AA1 P", "they": "DH EY0",
    "wish": "W IH1 SH", "five": "F AY1 V", "two": "T UW1", "n't": "AH0 N T", "could": "K UH0 D",
}  # fmt: skip
LABELS = ("", "B", "K", "S", "T", "N", "AH0", "AE1", "IY2", "OW1", "K S")
HOMOGRAPHS = {
    "record": Homograph(
        "record", {"noun": ("R", "EH1", "K", "ER0", "D"), "verb": ("R", "AH0", "K", "AO1", "R", "D")}
    ),
    "wish": Homograph("*", {"noun": ("W", "IH1", "SH"), "verb": ("W", "IH2", "SH")}),
}
READINGS = ("record/noun", "record/verb", "*/noun", "*/verb")


def small_letters(seed: int = 0) -> LetterModel:
    """A letter model with random weights."""
    torch.manual_seed(seed)
    return LetterModel(LettersConfig(LABELS, window=2, history=2, d_model=16, d_label=4, num_layers=1))


def small_homographs(d_llama: int = D_LLAMA, seed: int = 0) -> HomographModel:
    """A homograph model with random weights."""
    torch.manual_seed(seed)
    model = HomographModel(HomographsConfig(READINGS, d_llama, tokens_after=2, d_hidden=16, buckets=256))
    with torch.no_grad():
        model.out.bias.zero_()  # so that what stands around decides
    return model


def small_pronouncer(user: dict[str, tuple[str, ...]] | None = None) -> Pronouncer:
    """A pronouncer that knows WORDS and HOMOGRAPHS."""
    words = sorted(WORDS)
    lexicon = Lexicon(words, [encode_phones(tuple(WORDS[word].split())) for word in words])
    choosers = Choosers(
        HomographChooser(small_homographs(), HOMOGRAPHS), HomographChooser(small_homographs(0), HOMOGRAPHS)
    )
    return Pronouncer(lexicon, LetterReader(small_letters()), choosers, user)


def token_events(text: str, with_states: bool = True) -> list[TokenEvent]:
    """A text in pieces as a tokenizer cuts it, each with an embedding of its own."""
    pieces = re.findall(r" ?[^\W\d_]{1,6}|\d|\s|.", text)
    return [
        TokenEvent(zlib.crc32(piece.encode()) % 1000, piece, _state(number) if with_states else None)
        for number, piece in enumerate(pieces)
    ]


def _state(number: int) -> torch.Tensor:
    return torch.randn(D_LLAMA, generator=torch.Generator().manual_seed(number))
