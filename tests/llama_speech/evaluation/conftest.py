"""Small test sets and real recognisers for evaluation tests."""

import json

import pytest

from llama_speech.evaluation.peers import Command, PeerOptions
from speech_core.audio import write_wav

TEXTS = {"one.wav": "The cat sat on the mat.", "two.wav": "Hello, world!", "three.wav": ""}
# What the programs answer, by file name: the first makes no errors but for the third file
GOOD = {"one.wav": "the cat sat on the mat", "two.wav": "hello world", "three.wav": "uh noise"}
BAD = {"one.wav": "a bat sat on mat", "two.wav": "yellow world too"}


@pytest.fixture
def small_set(tmp_path):
    """A folder with three silent clips of one, two and three seconds and their texts, one of them empty."""
    import numpy as np

    folder = tmp_path / "small"
    folder.mkdir()
    records = []
    for number, (name, text) in enumerate(TEXTS.items(), start=1):
        audio = np.full(16000 * number, number / 1000, dtype=np.float32)
        write_wav(folder / name, audio, 16000)
        records.append({"audio": name, "text": text, "language": "en", "speaker": f"s{number % 2}"})
    records.append({"audio": "four.wav", "text": "Hallo", "language": "de"})
    (folder / "dev.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def make_program(folder, name, answers):
    """Write a real program that answers by file name and fails on others; return its peer name."""
    cases = "".join(f'*/{file}) echo "{text}" ;;\n' for file, text in answers.items())
    program = folder / name
    program.write_text(
        f'#!/bin/sh\ncase "$1" in\n{cases}*) echo "cannot do ${{1##*/}}" >&2; exit 1 ;;\nesac\n'
    )
    program.chmod(0o755)
    return f"command:{program} {{}}"


@pytest.fixture
def good_program(tmp_path):
    """Peer name of a program that hears nearly all."""
    return make_program(tmp_path, "good", GOOD)


@pytest.fixture
def bad_program(tmp_path):
    """Peer name of a program that hears badly and fails on the third file."""
    return make_program(tmp_path, "bad", BAD)


@pytest.fixture
def good(good_program):
    """The first program as a recogniser."""
    return Command(good_program.removeprefix("command:"), PeerOptions())


@pytest.fixture
def bad(bad_program):
    """The second program as a recogniser."""
    return Command(bad_program.removeprefix("command:"), PeerOptions())
