"""The shipped component: common words, homographs by the words around, unknown words, size and speed."""

import time

import pytest

from llama_speech.bundle import read_bundle
from tts_frontend.frontend import phones_of
from tts_frontend.languages.en.phones import PHONE_IDS
from tts_frontend.pronunciation import Pronouncer, load_pronouncer

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    """As it is shipped."""
    return load_pronouncer(read_bundle().component("pronunciation"))


def said(text: str, pronouncer: Pronouncer) -> str:
    """Phones with a bar between words."""
    groups = phones_of(text, pronouncer)
    return " | ".join(" ".join(phone.symbol for phone in group.phones) for group in groups)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Hello world!", "HH AH0 L OW1 | W ER1 L D SIL"),
        ("the apples", "DH IY0 | AE1 P AH0 L Z"),
        ("OpenAI's GPUs", "OW1 P AH0 N EY1 AY2 Z | JH IY1 P IY1 Y UW1 Z"),
        ("They will record it", "DH EY2 | W IH0 L | R AH0 K AO1 R D | IH0 T"),
        ("a new record", "AH0 | N UW1 | R EH1 K ER0 D"),
        ("He objects", "HH IY2 | AH0 B JH EH1 K T S"),
        ("many objects", "M EH1 N IY0 | AA1 B JH AH0 K T S"),
        ("", ""),
    ],
)
def test_common_text(text, phones, pronouncer):
    assert said(text, pronouncer).replace(" | ", " ").split() == phones.replace(" | ", " ").split()


@pytest.mark.parametrize(
    "word", ["doomscrolling", "Szymborska", "kubernetes", "unfriendable", "Москва", "zzz"]
)
def test_unknown_words_have_a_stressed_vowel_and_cost_little(word, pronouncer):
    start = time.process_time()
    phones = pronouncer.read(word)
    assert time.process_time() - start < 0.1  # some milliseconds; the machine may be busy
    assert sum(phone[-1] == "1" for phone in phones) >= 1
    assert all(phone in PHONE_IDS for phone in phones)


def test_it_is_small():
    bundle = read_bundle()
    size = sum(
        int(entry["bytes"]) for name, entry in bundle.files.items() if name.startswith("pronunciation/")
    )
    assert size < 6_000_000
