"""What the words of a command line lead to, and how results are named."""

from pathlib import Path

import pytest

from llama_speech.cli._inputs import Recording, expand
from llama_speech.cli._options import UsageError
from llama_speech.cli._outputs import output_names


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "a.wav",
        "b.FLAC",
        "notes.txt",
        "sub/a.wav",
        "sub/c.mp3",
        ".hidden/d.wav",
        "empty/readme.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*words: str) -> list[str]:
    recordings, problems = expand(words)
    assert problems == []
    return [recording.name for recording in recordings]


def test_files_are_taken_as_they_are_and_once(tree):
    assert names("a.wav", "notes.txt", "./a.wav", str(tree / "a.wav")) == ["a.wav", "notes.txt"]


def test_folders_give_their_audio_files_in_order(tree):
    assert names(".") == ["a.wav", "b.FLAC", "sub/a.wav", "sub/c.mp3"]
    assert names("sub") == ["sub/a.wav", "sub/c.mp3"]


def test_patterns(tree):
    assert names("*.wav") == ["a.wav"]
    assert names("**/*.wav") == ["a.wav", "sub/a.wav"]
    assert names("su?") == ["sub/a.wav", "sub/c.mp3"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree):
    (tree / "x[1].wav").write_bytes(b"x")
    assert names("x[1].wav") == ["x[1].wav"]


def test_words_that_lead_nowhere_get_a_line(tree):
    recordings, problems = expand(["missing.wav", "a.wav", "*.ogg", "empty", ""])
    assert [recording.name for recording in recordings] == ["a.wav"]
    assert problems == [
        "missing.wav: no such file",
        "*.ogg: no file matches",
        "empty: holds no audio files",
        "(empty name): no such file",
    ]


def test_standard_input_once():
    recordings, _ = expand(["-"])
    assert (recordings[0].name, recordings[0].path) == ("standard input", None)
    with pytest.raises(UsageError, match="can be read only once"):
        expand(["-", "-"])


def outputs(*words: str) -> list[str]:
    recordings, _ = expand(words)
    return [name.as_posix() for name in output_names(recordings)]


def test_names_keep_the_folders_below_the_one_that_was_named(tree):
    assert outputs(".") == ["a", "b", "sub/a", "sub/c"]
    assert outputs("a.wav", "sub/c.mp3", "-") == ["a", "c", "stdin"]


def test_names_that_would_be_the_same_get_more_of_their_path(tree):
    assert outputs("a.wav", "sub/a.wav") == ["a", "sub/a"]
    (tree / "sub" / "C.wav").write_bytes(b"x")
    assert outputs("sub") == ["C.wav", "a", "c.mp3"]
    assert outputs("sub/C.wav", "sub/c.mp3", "a.wav", "sub/a.wav") == ["sub/C.wav", "sub/c.mp3", "a", "sub/a"]


def test_dots_in_names_stay(tree):
    (tree / "talk.part.1.wav").write_bytes(b"x")
    assert outputs("talk.part.1.wav") == ["talk.part.1"]


def test_names_that_cannot_be_told_apart_are_refused():
    twins = [
        Recording("x", Path("/data/a.wav"), Path("a.wav")),
        Recording("y", Path("/data/A.wav"), Path("A.wav")),
    ]
    with pytest.raises(UsageError, match=r"x and y would write the same file .*: transcribe them apart"):
        output_names(twins)
