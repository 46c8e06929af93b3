"""Transcripts are made once per file and recogniser, survive interruption, and failures are recorded."""

import json

import pytest

from llama_speech.evaluation.peers import PeerOptions, make_peer
from llama_speech.evaluation.transcripts import (
    Transcript,
    TranscriptCache,
    transcribe_batch,
    transcribe_files,
)

PROGRAM = """#!/bin/sh
folder=$(dirname "$1"); name=$(basename "$1")
echo "$name" >> "$folder/calls"
case "$name" in *bad*) [ -e "$folder/mended" ] || { echo "cannot read $name" >&2; exit 1; } ;; esac
echo "text of $(cat "$1")"
"""


@pytest.fixture
def program(tmp_path):
    """A real program that answers with the file's contents and notes each call."""
    script = tmp_path / "program"
    script.write_text(PROGRAM)
    script.chmod(0o755)
    return make_peer(f"command:{script} {{}}", PeerOptions())


def make_files(folder, names):
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text(f"content {path.name}")
    return paths


def calls(folder):
    path = folder / "calls"
    return path.read_text().split() if path.exists() else []


def test_a_second_run_makes_nothing_again(tmp_path, program):
    paths = make_files(tmp_path, ["a", "b"])
    first = transcribe_files(program, paths, tmp_path / "cache")
    assert [item.text for item in first] == ["text of content a", "text of content b"]
    assert transcribe_files(program, paths, tmp_path / "cache") == first
    assert calls(tmp_path) == ["a", "b"]
    assert all(item.wall_s > 0 and item.cpu_s > 0 for item in first)


def test_an_interrupted_run_goes_on(tmp_path, program):
    paths = make_files(tmp_path, ["a", "b", "c"])
    transcribe_files(program, paths[:2], tmp_path / "cache")
    (cache_file,) = (tmp_path / "cache").iterdir()
    text = cache_file.read_text()
    cache_file.write_text(text[:-20])  # killed while writing the second item
    seen = []
    found = transcribe_files(
        program, paths, tmp_path / "cache", lambda done, total: seen.append((done, total))
    )
    assert [item.text for item in found] == [f"text of content {name}" for name in "abc"]
    assert calls(tmp_path) == ["a", "b", "b", "c"]
    assert seen == [(2, 3), (3, 3)]
    transcribe_files(program, paths, tmp_path / "cache")
    assert len(calls(tmp_path)) == 4


def test_the_same_sound_under_two_names_runs_once(tmp_path, program):
    first, second = make_files(tmp_path, ["a", "b"])
    second.write_text(first.read_text())
    found = transcribe_files(program, [first, second], tmp_path / "cache")
    assert found[0] == found[1]
    assert len(calls(tmp_path)) == 1


def test_a_failure_is_recorded_and_tried_again_next_time(tmp_path, program):
    paths = make_files(tmp_path, ["a", "bad"])
    good, bad = transcribe_files(program, paths, tmp_path / "cache")
    assert good.error is None
    assert bad.text == ""
    assert "cannot read bad" in str(bad.error)
    (tmp_path / "mended").touch()
    assert transcribe_files(program, paths, tmp_path / "cache")[1].text == "text of content bad"
    assert calls(tmp_path) == ["a", "bad", "bad"]


def test_a_failing_batch_is_done_one_by_one(tmp_path, program):
    paths = make_files(tmp_path, ["a", "bad", "c"])
    found = transcribe_batch(program, paths, ["1", "2", "3"])
    assert [item.audio_sha256 for item in found] == ["1", "2", "3"]
    assert [item.error is None for item in found] == [True, False, True]


def test_each_signature_has_its_own_file(tmp_path):
    for signature in ("one", "two"):
        TranscriptCache(tmp_path, "name", signature).add([Transcript("sha", signature, 0.1, 0.1)])
    assert len(list(tmp_path.iterdir())) == 2
    found = TranscriptCache(tmp_path, "name", "two").get("sha")
    assert found is not None
    assert found.text == "two"
    first_line = json.loads(next(tmp_path.iterdir()).read_text().splitlines()[0])
    assert first_line["signature"] in ("one", "two")
