"""Case for texts without: the words never change, what was heard only says how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.data.letter_case import UsualCase, cased_like, plain

WORD = st.sampled_from(["i", "the", "tom", "i'm", "ran", "home", "o'clock"])
HEARD = st.sampled_from(["I", "The", "Tom,", "I’m", "ran.", '"home"', "--", "Home!", "(tom)", "..."])


@given(st.lists(WORD, max_size=12), st.lists(HEARD, max_size=12))
def test_words_stay_whatever_was_heard(words, heard):
    text, same = cased_like(" ".join(words), " ".join(heard))
    assert [plain(word) for word in text.split()] == words
    assert 0.0 <= same <= 1.0


def test_case_and_marks_come_from_what_was_heard():
    text, same = cased_like(
        "the thud of falling earth he paused listening mister tom said i am",
        "The thread of falling earth. He paused, listening. Mr. Tom said, “I am!”",
    )
    assert text == "The thud of falling earth. He paused, listening. Mister Tom said, I am!"
    assert same == pytest.approx(11 / 13)


def test_a_text_by_itself_is_one_sentence():
    usual = UsualCase(["We met Mary and tom.", "Then Mary left with tom.", "A Mary, an Ann"])
    assert usual("I SAW MARY AND ANN") == "I saw Mary and ann."
    assert usual("where is tom") == "Where is tom?"
    assert usual("") == ""
