"""The lexicon file and the lexicon of users."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import CheckpointError, InputError
from tts_frontend.languages.en.phones import PHONES
from tts_frontend.pronunciation_lexicon import (
    Lexicon,
    decode_phones,
    encode_phones,
    read_user_lexicon,
    write_lexicon,
)

PRONUNCIATION = st.lists(st.sampled_from(PHONES[1:]), min_size=1, max_size=8).map(tuple)
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=8)


@given(PRONUNCIATION)
def test_phones_come_back_from_their_code(phones):
    assert decode_phones(encode_phones(phones)) == phones


@settings(max_examples=25)
@given(entries=st.dictionaries(WORD, PRONUNCIATION, max_size=20), other=WORD)
def test_every_word_is_found_and_no_other(entries, other, tmp_path_factory):
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.zlib"
    write_lexicon(path, entries)
    lexicon = Lexicon.load(path)
    assert len(lexicon) == len(entries)
    assert {word: lexicon.find(word) for word in entries} == entries
    assert lexicon.find(other) == entries.get(other)


@pytest.mark.parametrize("entries", [{"": ("T",)}, {"a": ()}, {"a\nb": ("T",)}])
def test_what_cannot_be_stored_is_refused(entries, tmp_path):
    with pytest.raises(InputError, match="cannot stand in a lexicon"):
        write_lexicon(tmp_path / "lexicon.zlib", entries)


@pytest.mark.parametrize("data", [b"", b"no zlib", zlib.compress(b"a\nb\n\n!"), zlib.compress(b"a")])
def test_a_damaged_file_is_named(data, tmp_path):
    path = tmp_path / "lexicon.zlib"
    with pytest.raises(CheckpointError, match="is missing"):
        Lexicon.load(path)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"lexicon\.zlib is"):
        Lexicon.load(path)


def test_user_lexicon(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(
        "# names\nKyiv K IY1 IH0 V  # a city\n\nnginx\tEH1 N JH ih0 N EH2 K S\n", encoding="utf-8"
    )
    assert read_user_lexicon(path) == {
        "Kyiv": ("K", "IY1", "IH0", "V"),
        "nginx": ("EH1", "N", "JH", "IH0", "N", "EH2", "K", "S"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("a B IY1\nb XX1\n", "line 2: 'XX1' is not a phone"), ("word\n", "line 1: 'word' has no phones")],
)
def test_user_lexicon_names_the_line(text, message, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_user_lexicon(path)


def test_user_lexicon_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"mine\.txt cannot be read"):
        read_user_lexicon(tmp_path / "mine.txt")
