"""The English phone inventory and its conversion to and from one-letter IPA."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_core.errors import InputError
from tts_frontend.languages.en import phones as en

WORDS = st.lists(st.sampled_from(en.PHONES[1:]), max_size=12).map(tuple)


def test_inventory_is_silence_consonants_and_stressed_vowels():
    assert len(en.PHONES) == len(set(en.PHONES)) == 1 + 24 + 15 * 3
    assert en.PHONES[0] == "SIL"
    assert en.PHONES[1:25] == en.CONSONANTS
    assert en.PHONES[25:28] == ("AA0", "AA1", "AA2")
    assert [en.PHONE_IDS[symbol] for symbol in en.PHONES] == list(range(70))


@pytest.mark.parametrize(
    ("symbol", "kind", "voiced", "stress"),
    [
        ("SIL", "silence", False, None),
        ("T", "stop", False, None),
        ("DH", "fricative", True, None),
        ("NG", "nasal", True, None),
        ("JH", "affricate", True, None),
        ("R", "liquid", True, None),
        ("Y", "glide", True, None),
        ("ER0", "vowel", True, 0),
        ("AY1", "vowel", True, 1),
        ("OW2", "vowel", True, 2),
    ],
)
def test_classes(symbol, kind, voiced, stress):
    assert (en.kind_of(symbol), en.is_voiced(symbol), en.stress_of(symbol)) == (kind, voiced, stress)


def test_every_phone_has_a_kind_and_all_kinds_occur():
    kinds = {"silence", "stop", "affricate", "fricative", "nasal", "liquid", "glide", "vowel"}
    assert {en.kind_of(symbol) for symbol in en.PHONES} == kinds
    assert sum(en.is_vowel(symbol) for symbol in en.PHONES) == 45


# IPA as hibari's `phonemize` gives it
IPA = [
    ("həlˈO", "HH AH0 L OW1"),
    ("wˈɜɹld", "W ER1 L D"),
    ("ðˈɛɹ", "DH EH1 R"),
    ("bˈʌTəɹ", "B AH1 T ER0"),
    ("lˈɪTᵊl", "L IH1 T AH0 L"),
    ("əɹˈWnd", "ER0 AW1 N D"),
    ("ɹˈOzᵻz", "R OW1 Z IH0 Z"),
    ("ˌɪntəɹnˈæʃᵊnəl", "IH2 N T ER0 N AE1 SH AH0 N AH0 L"),
    ("ʤˈʌʤ", "JH AH1 JH"),
    ("vˈɪʒən", "V IH1 ZH AH0 N"),
    ("ˈʧɑbz", "CH AA1 B Z"),
]


@pytest.mark.parametrize(("ipa", "phones"), IPA)
def test_ipa_is_read(ipa, phones):
    assert en.from_ipa(ipa) == tuple(phones.split())


@pytest.mark.parametrize(
    ("phones", "ipa"),
    [
        ("B AH1 T ER0", "bˈʌTəɹ"),
        ("B AH1 T AH0 N", "bˈʌtən"),
        ("HH AA1 R T IY0", "hˈɑɹTi"),
        ("AH0 T AE1 K", "ətˈæk"),
        ("F AE1 S T ER0", "fˈæstəɹ"),
        ("T AH0 D EY1", "tədˈA"),
    ],
)
def test_flaps(phones, ipa):
    assert en.to_ipa(tuple(phones.split())) == ipa


@given(WORDS)
def test_ipa_gives_the_phones_back(phones):
    assert en.from_ipa(en.to_ipa(phones)) == en.canonical(phones)


@given(st.text(alphabet=st.sampled_from("həlˈOˌɹɜɚ .,?ᵊᵻT語a1("), max_size=20) | st.text(max_size=10))
def test_pieces_of_ipa_join_up(text):
    units = en.read_ipa(text)
    assert "".join(text[unit.start : unit.end] for unit in units) == text
    assert all(unit.symbol in en.PHONE_IDS for unit in units if unit.symbol)


@given(WORDS)
def test_canonical_is_stable_and_parsed_back(phones):
    once = en.canonical(phones)
    assert en.canonical(once) == once
    assert en.parse_phones(" ".join(phones)) == once


def test_parsing_takes_small_letters_and_vowels_without_stress():
    assert en.parse_phones("hh ah l ow1") == ("HH", "AH0", "L", "OW1")


def test_parsing_names_what_is_wrong():
    with pytest.raises(InputError, match="'QQ' is not a phone"):
        en.parse_phones("HH QQ")
