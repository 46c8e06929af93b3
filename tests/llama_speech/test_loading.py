"""Bundle and Llama to recognizer: which Llama, which engine, what is said when something is missing."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import llama_speech
from llama_speech.bundle import BundleInfo, read_bundle, write_manifest
from llama_speech.loading import Placement, llama_source, load_engine
from speech_adapter.engine_fast import FastEngine
from speech_core.errors import BundleError, CheckpointError, ConfigError
from tests.fakes import TinyLlama
from tests.gguf_files import write_gguf

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def test_the_lean_engine_runs_on_a_cpu(tiny_stack):
    assert isinstance(load_engine(tiny_stack.llama, torch.device("cpu"), "float32"), FastEngine)


def test_a_llama_the_lean_engine_does_not_know_runs_on_transformers(tiny_stack, tmp_path):
    from speech_adapter.engine import TransformersEngine

    folder = tmp_path / "llama"
    shutil.copytree(tiny_stack.llama, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    assert isinstance(load_engine(folder, torch.device("cpu"), "float32"), TransformersEngine)


def test_which_llama(tiny_stack, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_SPEECH_LLAMA", raising=False)
    bundle = read_bundle(tiny_stack.bundle)
    assert llama_source(bundle, tiny_stack.llama) == tiny_stack.llama
    assert llama_source(bundle, str(tiny_stack.llama)) == tiny_stack.llama
    with pytest.raises(CheckpointError, match=r"is not the folder of a Llama: it has no config\.json"):
        llama_source(bundle, tmp_path)
    with pytest.raises(BundleError, match="is for the Llama None: give its folder with --llama"):
        llama_source(bundle, None)
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(tiny_stack.llama))
    assert llama_source(bundle, None) == tiny_stack.llama


def test_a_gguf_file_is_converted_once(tiny_stack, tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_SPEECH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "tiny.gguf"
    write_gguf(file, TinyLlama().build())
    bundle = read_bundle(tiny_stack.bundle)
    folder = llama_source(bundle, file)
    assert isinstance(folder, Path)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert llama_source(bundle, str(file)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_hub_id_runs_on_transformers(tiny_stack, monkeypatch):
    """A hub cannot be reached in a test: the id is made to mean the folder."""
    from speech_adapter import llama as llama_module

    located = llama_module._locate(tiny_stack.llama)
    monkeypatch.setattr(llama_module, "_locate", lambda source: located)
    model = llama_speech.load(tiny_stack.bundle, "owner/tiny-llama", dtype="float32")
    lean = llama_speech.load(tiny_stack.bundle, tiny_stack.llama, dtype="float32")
    sample = next(iter(sorted(SAMPLES.glob("*.flac"))))
    assert model.transcribe(sample).text == lean.transcribe(sample).text != ""


def test_a_bundle_may_hold_its_llama(tiny_stack, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_stack.bundle, folder)
    shutil.copytree(tiny_stack.llama, folder / "llama")
    write_manifest(folder, BundleInfo("whole", "0"))
    model = llama_speech.load(folder, device="cpu", dtype="float32")
    assert model.languages == ("en",)


def test_a_bundle_without_adapter_cannot_transcribe(tiny_stack, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_stack.bundle, folder, ignore=shutil.ignore_patterns("speech_adapter"))
    write_manifest(folder, BundleInfo("half", "0"))
    with pytest.raises(BundleError, match="has no speech_adapter, without it nothing can transcribe"):
        llama_speech.load(folder, tiny_stack.llama)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "toaster"}, "device 'toaster' cannot be used"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used"),
        ({"dtype": "int3"}, "dtype is 'int3': use auto, float32, bfloat16 or float16"),
        ({"threads": 0}, "threads is 0: it must be at least 1"),
    ],
)
def test_places_that_cannot_be(tiny_stack, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        llama_speech.load(tiny_stack.bundle, tiny_stack.llama, **options)
    assert "\n" not in str(caught.value)


def test_automatic_device():
    assert Placement().resolved().type in ("cpu", "cuda")
    assert Placement("cpu").resolved() == torch.device("cpu")


def test_all_devices_spread_the_llama(tiny_stack):
    """By transformers and accelerate, which on this machine means the CPU; the answers stay the same."""
    import llama_speech
    from speech_adapter.engine import TransformersEngine

    question = [{"role": "user", "content": "Hello"}]
    answers = []
    for device in ("cpu", "all"):
        model = llama_speech.load(tiny_stack.bundle, tiny_stack.llama, device=device, dtype="float32")
        answers.append(model.chat(question, max_tokens=6).answer())
    assert model.parts.loaded is not None
    assert isinstance(model.parts.loaded.engine, TransformersEngine)
    assert answers[0] == answers[1]
