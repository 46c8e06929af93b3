"""Sentences with homographs and the phones of their readings."""

import pytest

from recipes.data.homographs import (
    homographs_json,
    kind_of,
    read_homographs,
    read_readings,
    shared_homographs,
    untrained_homographs,
)
from speech_core.errors import InputError
from tests.homograph_data import write_homographs
from tts_frontend.homographs import homographs_from_json


def test_offsets_count_characters(tmp_path):
    sentences = read_homographs(write_homographs(tmp_path), "train")
    assert len(sentences) == 36
    assert {sentence.text[sentence.start : sentence.end] for sentence in sentences} == {"record", "bass"}
    assert sentences[0].text.startswith("Née a, the record")


def test_a_missing_or_wrong_file_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_homographs(tmp_path, "train")
    (tmp_path / "homographs").mkdir()
    import gzip

    with gzip.open(tmp_path / "homographs" / "eval.tsv.gz", "wt") as file:
        file.write("homograph\twordid\tsentence\tstart\tend\nbass\tbass\tA bass.\t0\t4\n")
    with pytest.raises(InputError, match="line 2: 'A ba' is not 'bass'"):
        read_homographs(tmp_path, "eval")


def test_readings_take_the_dictionary_where_it_tells_them_apart(tmp_path):
    dictionary = {
        "record": [("R", "EH1", "K", "ER0", "D"), ("R", "IH0", "K", "AO1", "R", "D")],
        "bass": [("B", "EY1", "S")],
    }
    readings = read_readings(write_homographs(tmp_path), dictionary)
    assert readings["record"] == {
        "record_nou": ("R", "EH1", "K", "ER0", "D"),
        "record_vrb": ("R", "IH0", "K", "AO1", "R", "D"),
    }
    assert readings["bass"] == {"bass": ("B", "EY1", "S"), "bass_fish": ("B", "AE1", "S")}


@pytest.mark.parametrize(
    ("reading", "kind"),
    [("use_nou", "noun"), ("live_adj", "noun"), ("use_vrb", "verb"), ("row_1", None), ("bass", None)],
)
def test_kinds(reading, kind):
    assert kind_of(reading) == kind


def test_shared_words_have_a_noun_and_a_verb():
    noun, verb = ("AA1", "B"), ("AH0", "B")
    variants = {
        "objects": {"DEFAULT": noun, "VERB": verb},
        "relapses": {"DEFAULT": verb, "NOUN": noun},
        "frequent": {"DEFAULT": verb, "ADJ": noun},
        "record": {"DEFAULT": noun, "VERB": verb},
        "be": {"DEFAULT": verb, "None": noun},
        "same": {"DEFAULT": noun, "VERB": noun},
    }
    shared = shared_homographs(variants, own=["record"])
    assert shared == {word: {"noun": noun, "verb": verb} for word in ("objects", "relapses", "frequent")}
    data = homographs_json({"record": {"record_nou": noun, "record_vrb": verb}}, shared)
    assert homographs_from_json(data)["objects"].head == "*"
    assert homographs_from_json(data)["record"].phones == {"record_nou": noun, "record_vrb": verb}


def test_words_trained_in_one_reading_are_told_apart_as_noun_and_verb():
    noun, verb = ("AA1", "B"), ("AH0", "B")
    own = {
        "object": {"object_nou": noun, "object_vrb": verb},
        "record": {"record_nou": noun, "record_vrb": verb},
        "row": {"row_1": noun, "row_2": verb},
    }
    trained = ["object/object_nou", "record/record_nou", "record/record_vrb", "row/row_1", "*/noun", "*/verb"]
    found = untrained_homographs(own, trained)
    assert found == {"object": {"noun": noun, "verb": verb}}
    data = homographs_from_json(homographs_json(own, found))
    assert {word: one.head for word, one in data.items()} == {"object": "*", "record": "record", "row": "row"}
