"""Words to phones: what is asked first, forms, acronyms, other scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_core.events import SpokenWord
from tests.pronunciation_parts import D_LLAMA, HOMOGRAPHS, small_pronouncer
from tts_frontend.languages.en.phones import PHONE_IDS
from tts_frontend.pronunciation import Need, WordContext


def word(text: str, mark: str = "") -> SpokenWord:
    return SpokenWord(text, 0, len(text), mark)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("dog", "D AO1 G"),
        ("Dog", "D AO1 G"),
        ("polish", "P AA1 L IH0 SH"),
        ("Polish", "P OW1 L IH0 SH"),
        ("dogs", "D AO1 G Z"),
        ("dogs'", "D AO1 G Z"),
        ("Stopped", "S T AA1 P T"),
        ("couldn't", "K UH0 D AH0 N T"),
        ("x", "EH1 K S"),
        ("FBI", "EH2 F B IY2 AY1"),
        ("FBI's", "EH2 F B IY2 AY1 Z"),
        ("PCs", "P IY2 S IY1 Z"),
        ("OpenAI", "OW1 P AH0 N EY2 AY1"),
        ("25", "T UW1 F AY1 V"),
        ("日本", ""),
        ("", ""),
    ],
)
def test_words(text, phones):
    assert small_pronouncer().read(text) == tuple(phones.split())


def test_unknown_words_are_read_by_letters_in_any_script():
    pronouncer = small_pronouncer()
    assert pronouncer.read("batnes")
    assert pronouncer.read("бат") == pronouncer.read("bat")
    assert pronouncer.read("dög") == pronouncer.read("dog")


def test_the_user_comes_first():
    own = {"dog": ("K", "AE1", "T"), "Record": ("T",), "the": ("S",)}
    pronouncer = small_pronouncer(own)
    assert pronouncer.read("Dog") == ("K", "AE1", "T")
    assert pronouncer.pronounce(word("the")) == ("S",)
    assert pronouncer.pronounce(word("Record")) == ("T",)
    assert pronouncer.read("Records") == ("R", "EH1", "K", "ER0", "D", "Z")
    assert pronouncer.need(word("the")) == Need()


def test_needs():
    pronouncer = small_pronouncer()
    assert pronouncer.need(word("dog")) == Need()
    assert pronouncer.need(word("the")) == Need(words=1)
    assert pronouncer.need(word("the", ",")) == Need()
    assert pronouncer.need(word("record")) == Need(words=2)
    assert pronouncer.need(word("Record"), d_llama=D_LLAMA) == Need(tokens=2)
    assert pronouncer.need(word("Record"), d_llama=D_LLAMA + 1) == Need(words=2)  # another Llama


def test_a_capital_gives_stress_to_what_has_none():
    pronouncer = small_pronouncer()
    found = [" ".join(pronouncer.pronounce(word(text))) for text in ("they", "They", "THEY", "Dog")]
    assert found == ["DH EY0", "DH EY2", "DH EY1", "D AO1 G"]


def test_the_next_word_decides_how_the_sounds():
    pronouncer = small_pronouncer()
    for after, phones in (("apple", "DH IY0"), ("dog", "DH AH0"), ("日本", "DH AH0")):
        context = WordContext(after=(word(after),))
        assert pronouncer.pronounce(word("the"), context) == tuple(phones.split())


def test_homographs_take_one_of_their_readings_by_context():
    pronouncer = small_pronouncer()
    found = {
        pronouncer.pronounce(word("record"), WordContext(before=(word(text),), after=(word(other),)))
        for text in ("to", "the", "a", "will", "I", "my")
        for other in ("it", "of", "is", "book", "them")
    }
    assert found == set(HOMOGRAPHS["record"].phones.values())


@given(st.text(max_size=15), st.sampled_from(["", ",", "?"]))
def test_any_word_gives_phones(text, mark):
    phones = small_pronouncer().pronounce(word(text, mark))
    assert all(phone in PHONE_IDS for phone in phones)
