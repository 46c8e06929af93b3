"""Word forms, weak forms, names of letters, and other scripts in Latin letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_frontend.languages.common.scripts import to_latin
from tts_frontend.languages.en.phones import PHONE_IDS
from tts_frontend.languages.en.weak_forms import WAITING, Neighbours, weak_form
from tts_frontend.languages.en.word_rules import add_ending, forms, spell, stressed


@pytest.mark.parametrize(
    ("word", "stem", "ending"),
    [
        ("dogs", "dog", "s"),
        ("wishes", "wish", "s"),
        ("cities", "city", "s"),
        ("dog's", "dog", "s"),
        ("dogs'", "dogs", ""),
        ("stopped", "stop", "ed"),
        ("called", "call", "ed"),
        ("hoped", "hope", "ed"),
        ("tried", "try", "ed"),
        ("hoping", "hope", "ing"),
        ("stopping", "stop", "ing"),
        ("they'll", "they", "'ll"),
        ("couldn't", "could", "n't"),
    ],
)
def test_a_form_names_its_stem(word, stem, ending):
    assert (stem, ending) in forms(word)


@pytest.mark.parametrize(
    ("first", "never"),
    [
        ("hoping", "hop"),
        ("staring", "star"),
        ("called", "cal"),
        ("bless", "bles"),
        ("bus", ""),
        ("need", "ne"),
    ],
)
def test_an_unlikely_stem_does_not_come_first(first, never):
    assert next((form.stem for form in forms(first)), None) != never


@pytest.mark.parametrize(
    ("stem", "ending", "phones"),
    [
        ("D AO1 G", "s", "D AO1 G Z"),
        ("K AE1 T", "s", "K AE1 T S"),
        ("W IH1 SH", "s", "W IH1 SH IH0 Z"),
        ("W AO1 K", "ed", "W AO1 K T"),
        ("W AO1 N T", "ed", "W AO1 N T IH0 D"),
        ("P L EY1", "ed", "P L EY1 D"),
        ("P L EY1", "ing", "P L EY1 IH0 NG"),
        ("G EH0 T", "ing", "G EH1 T IH0 NG"),
        ("DH EY0", "'ll", "DH EY0 L"),
        ("IH0 T", "'ll", "IH0 T AH0 L"),
        ("W IY0", "'re", "W IY0 R"),
        ("K UH0 D", "n't", "K UH0 D AH0 N T"),
        ("K UH0 D", "'ve", "K UH0 D AH0 V"),
    ],
)
def test_endings(stem, ending, phones):
    assert add_ending(tuple(stem.split()), ending) == tuple(phones.split())


@pytest.mark.parametrize(
    ("phones", "stress", "result"),
    [
        ("HH IY0", "2", "HH IY2"),
        ("HH IY0", "1", "HH IY1"),
        ("B IH0 K AH0 Z", "2", "B IH2 K AH0 Z"),
        ("D AW2 N", "1", "D AW1 N"),
        ("D AW2 N", "2", "D AW2 N"),
        ("K AE1 T", "2", "K AE1 T"),
        ("S T", "1", "S T"),
    ],
)
def test_stress_is_added_where_there_is_less(phones, stress, result):
    assert stressed(tuple(phones.split()), stress) == tuple(result.split())


def test_spelling_stresses_the_last_letter():
    assert " ".join(spell("FBI")) == "EH2 F B IY2 AY1"
    assert spell("語") == ()


@pytest.mark.parametrize(
    ("near", "phones"),
    [
        (Neighbours("the", "", "apple", "", True), "DH IY0"),
        (Neighbours("The", "", "dog", "", False), "DH AH0"),
        (Neighbours("the", "", "", "", None), "DH AH0"),
        (Neighbours("to", "", "go", "", False), "T AH0"),
        (Neighbours("to", "", "eat", "", True), "T UH0"),
        (Neighbours("to", "", "", ",", None), "T UW0"),
        (Neighbours("a", "in", "dog", "", False), "AH0"),
        (Neighbours("a", "in", "U", "", False), "AH0"),
        (Neighbours("a", "ten", "m", "", True), "EY1"),
        (Neighbours("A", "vitamin", "", ",", None), "EY1"),
        (Neighbours("A", "", "dog", "", False), "AH0"),
        (Neighbours("A", "S", "", "", None), "EY1"),
        (Neighbours("in", "came", "the", "", False), "IH1 N"),
        (Neighbours("in", "lives", "the", "", False), "IH0 N"),
        (Neighbours("used", "he", "to", "", False), "Y UW1 S T"),
        (Neighbours("used", "is", "to", "", False), "Y UW1 Z D"),
        (Neighbours("have", "I", "", ".", None), "HH AE1 V"),
    ],
)
def test_weak_forms(near, phones):
    assert weak_form(near) == tuple(phones.split())


def test_other_words_have_no_weak_form():
    assert weak_form(Neighbours("have", "I", "a", "", False)) is None
    assert weak_form(Neighbours("dog", "the", "", ".", None)) is None


@given(
    st.sampled_from(sorted(WAITING)),
    st.text(max_size=3),
    st.text(max_size=3),
    st.sampled_from([True, False, None]),
)
def test_weak_forms_are_phones(word, before, after, vowel):
    for text in (word, word.capitalize()):
        phones = weak_form(Neighbours(text, before, after, "", vowel))
        assert phones
        assert all(phone in PHONE_IDS for phone in phones)


@pytest.mark.parametrize(
    ("word", "latin"),
    [
        ("Straße", "strasse"),
        ("café", "cafe"),
        ("O\u2019Neill", "o'neill"),
        ("Москва", "moskva"),
        ("Ωmega", "omega"),
        ("こんにちは", "konnitiha"),
        ("한국", "hangug"),
        ("नमस्ते", "namaste"),
        ("日本", ""),
        ("ไทย", ""),
        ("🙂", ""),
    ],
)
def test_scripts(word, latin):
    assert to_latin(word) == latin


@given(st.text(max_size=12))
def test_latin_is_small_letters_and_apostrophes(word):
    assert set(to_latin(word)) <= set("abcdefghijklmnopqrstuvwxyz'")
