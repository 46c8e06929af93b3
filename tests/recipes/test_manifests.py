"""Manifests come back as written; what is wrong with one is said with its line or id."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from recipes.data.manifests import (
    Utterance,
    check_manifest,
    read_manifest,
    utterance_from_dict,
    validate_manifest,
    write_manifest,
)
from speech_core.errors import InputError

GOOD = Utterance("a/1", "one.wav", "Grüß dich, мир.", "de", "anna", 0.5, "a", "CC0", {"en": "hi"}, {"x": 1})


def test_a_manifest_comes_back_as_written(tmp_path):
    path = tmp_path / "deep" / "m.jsonl"
    utterances = [GOOD, replace(GOOD, id="a/2", text=None)]
    assert write_manifest(path, iter(utterances)) == 2
    assert list(read_manifest(path)) == utterances
    assert [p.name for p in path.parent.iterdir()] == ["m.jsonl"]


@given(st.text(), st.dictionaries(st.text(max_size=5), st.integers() | st.text(), max_size=3))
def test_any_text_and_extra_survive_json(text, extra):
    utterance = replace(GOOD, text=text, extra=extra)
    assert utterance_from_dict(json.loads(json.dumps(asdict(utterance)))) == utterance


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": 3}, "'text' is 3"),
        ({"duration_s": "long"}, "'duration_s'"),
        ({"duration_s": True}, "'duration_s'"),
        ({"colour": "red"}, "'colour' is unknown"),
    ],
)
def test_a_bad_record_is_refused_by_name(change, message):
    with pytest.raises(InputError, match=message):
        utterance_from_dict(asdict(GOOD) | change)


def test_a_missing_field_is_named():
    record = asdict(GOOD)
    del record["licence"]
    with pytest.raises(InputError, match="'licence' is missing"):
        utterance_from_dict(record)


@pytest.mark.parametrize(
    ("line", "message"), [('{"id": "a', "line 2: not JSON"), ("[1]", "line 2: a JSON object")]
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line, message):
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(asdict(GOOD)) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(read_manifest(path))


def test_a_missing_manifest_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list(read_manifest(tmp_path / "none.jsonl"))


def test_validation_finds_every_kind_of_problem(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.zeros(8000, np.float32), 16_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFFnothing")
    bad = [
        GOOD,
        GOOD,  # twice
        replace(GOOD, id="long", duration_s=2.0),
        replace(GOOD, id="gone", audio="gone.wav"),
        replace(GOOD, id="broken", audio="broken.wav"),
        replace(GOOD, id="blank", text="  "),
        replace(GOOD, id="tongue", language="german"),
    ]
    write_manifest(tmp_path / "m.jsonl", bad)
    problems = validate_manifest(tmp_path / "m.jsonl")
    wanted = [
        "twice",
        "2.0 s declared, 0.500 s found",
        "does not exist",
        "cannot be read",
        "null",
        "'german'",
    ]
    assert len(problems) == len(wanted)
    for problem, words in zip(problems, wanted, strict=True):
        assert words in problem


def test_validation_is_silent_about_a_good_manifest(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.zeros(8000, np.float32), 16_000)
    write_manifest(tmp_path / "m.jsonl", [GOOD])
    assert validate_manifest(tmp_path / "m.jsonl") == []
    check_manifest(tmp_path / "m.jsonl")


def test_pieces_must_lie_in_their_recording(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.zeros(16_000, np.float32), 16_000)
    inside = replace(GOOD, duration_s=0.4, extra={"start_s": 0.6})
    beyond = replace(GOOD, id="late", duration_s=0.4, extra={"start_s": 0.8})
    write_manifest(tmp_path / "m.jsonl", [inside, beyond])
    assert validate_manifest(tmp_path / "m.jsonl") == [
        "late: duration 0.4 s from 0.8 s on declared, 1.000 s found"
    ]


def test_work_is_refused_in_one_line(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [GOOD, replace(GOOD, id="b")])
    with pytest.raises(InputError, match=r"^m\.jsonl: .+ does not exist \(and 1 more like it\)") as error:
        check_manifest(tmp_path / "m.jsonl")
    assert "\n" not in str(error.value)
