"""Dictionaries merged: whose reading counts, what is left out."""

import gzip
import json

import pytest

from recipes import prepare_lexicon
from recipes.prepare_lexicon import by_rule, load_dictionary, merge, read_cmudict, sounds_like
from speech_core.checkpoint import read_json
from speech_core.errors import InputError
from tts_frontend.pronunciation_lexicon import Lexicon

CMU = """dog D AA1 G # an animal
dogs D AA1 G Z
dog(2) D AO1 G
arouse AH0 R AW1 Z
kowalski K OW0 W AA1 L S K IY0
kowalskis K OW0 W AA1 L S K IY0 Z
"""
GOLD = {
    "dog": "dˈɔɡ",
    "Polish": "pˈOlɪʃ",
    "polish": "pˈɑlɪʃ",
    "object": {"DEFAULT": "ˈɑbʤˌɛkt", "VERB": "əbʤˈɛkt", "NOUN": None},
    "Ann": "ˈæn",
    "a": "ˈA",
    "AA": {"DEFAULT": None},
}


@pytest.fixture
def sources(tmp_path):
    """The three dictionaries on disk."""
    (tmp_path / "us_gold.json").write_text(json.dumps(GOLD), encoding="utf-8")
    (tmp_path / "us_silver.json").write_text(json.dumps({"dogs": "dˈɔɡz", "zax": "zˈæks"}), encoding="utf-8")
    with gzip.open(tmp_path / "cmudict.dict.gz", "wt") as file:
        file.write(CMU)
    return tmp_path


def test_cmudict_variants_and_comments(sources):
    entries = read_cmudict(sources / "cmudict.dict.gz")
    assert entries["dog"] == [("D", "AA1", "G"), ("D", "AO1", "G")]
    assert entries["arouse"] == [("ER0", "AW1", "Z")]


def test_what_is_shipped(sources):
    out = sources / "out"
    arguments = ["--cmudict", str(sources / "cmudict.dict.gz"), "--misaki", str(sources), "--out", str(out)]
    prepare_lexicon.main(arguments)
    lexicon = Lexicon.load(out / "lexicon.zlib")
    assert lexicon.find("dog") == ("D", "AO1", "G")  # misaki first
    assert lexicon.find("dogs") is None  # and so by rule
    assert lexicon.find("Polish") == ("P", "OW1", "L", "IH0", "SH")
    assert lexicon.find("polish") == ("P", "AA1", "L", "IH0", "SH")
    assert lexicon.find("ann") == ("AE1", "N")
    assert lexicon.find("Ann") is None  # as the small one
    assert lexicon.find("kowalski")
    assert lexicon.find("kowalskis") is None  # by rule
    assert lexicon.find("a") is None  # a letter's name
    assert lexicon.find("zax")
    lines = (out / "entries.tsv").read_text(encoding="utf-8").splitlines()
    assert "dogs\tD AA1 G Z\tcmu" in lines
    assert "dogs\tD AO1 G Z\tsilver" in lines
    assert set(read_json(out / "variants.json")) == {"object"}
    dictionary = load_dictionary(sources, sources / "cmudict.dict.gz")
    assert len(dictionary["dog"]) == 3


def test_forms_that_sound_otherwise_stay():
    gold = {"jarvi": ("JH", "AA1", "R", "V", "IY0")}
    merged = merge(gold, {}, {"jarvis": ("JH", "AA1", "R", "V", "AH0", "S")})
    assert "jarvis" in merged
    assert by_rule("jarvis", gold) == ("JH", "AA1", "R", "V", "IY0", "Z")
    assert by_rule("dog", gold) is None


def test_vowels_may_differ():
    assert sounds_like(("D", "AA1", "G", "Z"), ("D", "AO1", "G", "Z"))
    assert not sounds_like(("R", "OW1", "Z"), ("R", "OW1", "S"))


def test_missing_dictionaries_are_named(tmp_path):
    with pytest.raises(InputError, match="install hibari-tts, or give --misaki"):
        prepare_lexicon.read_misaki(tmp_path, "gold")
