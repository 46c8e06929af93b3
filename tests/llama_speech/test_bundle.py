"""The manifest: what is written is read, and everything wrong with a bundle is said in one line."""

import json
from pathlib import Path

import pytest

from llama_speech.bundle import (
    BundleInfo,
    bundles_folder,
    default_bundle_folder,
    read_bundle,
    write_manifest,
)
from speech_core.errors import BundleError, CheckpointError

INFO = BundleInfo(
    name="test",
    version="1.2",
    languages=("en", "es"),
    llama={"package": "some-llama", "version": "3"},
    scores=({"set": "dev", "wer": 0.2, "signature": "none"},),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    for component in ("speech_encoder", "speech_adapter"):
        (root / component).mkdir(parents=True)
        (root / component / "config.json").write_text("{}")
        (root / component / "model.safetensors").write_bytes(b"weights of " + component.encode())
    (root / "README.md").write_text("# card\n")
    write_manifest(root, INFO)
    return root


def change(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest.update(values)
    (folder / "bundle.json").write_text(json.dumps(manifest))


def test_what_is_written_is_read(folder):
    bundle = read_bundle(folder)
    assert bundle.info == INFO
    assert bundle.components == ("speech_adapter", "speech_encoder")
    assert bundle.component("speech_encoder") == folder / "speech_encoder"
    assert bundle.size_bytes == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "bundle.json"
    )
    assert set(bundle.files) == {
        "README.md",
        *(f"{c}/{f}" for c in bundle.components for f in ("config.json", "model.safetensors")),
    }


def test_damage_is_found(folder):
    path = folder / "speech_encoder" / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"X")
    with pytest.raises(
        BundleError, match=r"model\.safetensors differs from its checksum: copy the bundle again"
    ):
        read_bundle(folder)
    assert read_bundle(folder, verify=False).info.name == "test"
    path.write_bytes(data[:-1])
    with pytest.raises(BundleError, match="has 24 bytes instead of 25: copy the bundle again"):
        read_bundle(folder)
    path.unlink()
    with pytest.raises(BundleError, match=r"lacks speech_encoder/model\.safetensors: copy it again"):
        read_bundle(folder)


def test_a_component_that_is_absent_disables_only_what_needs_it(folder):
    for path in (folder / "speech_adapter").iterdir():
        path.unlink()
    write_manifest(folder, INFO)
    bundle = read_bundle(folder)
    assert bundle.component("speech_encoder").is_dir()
    with pytest.raises(BundleError, match="has no speech_adapter, without it nothing can transcribe"):
        bundle.component("speech_adapter")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format_version": 2}, "has format 2, this version reads 1: update llama-speech"),
        ({"format_version": "x"}, "has no format_version: it is not the manifest of a bundle"),
        ({"files": None}, "is incomplete"),
        ({"files": {"a": {"bytes": 1}}}, r"is incomplete \(KeyError\('sha256'\)\): copy the bundle again"),
        ({"files": {"../a": {"bytes": 1, "sha256": ""}}}, "names the file '../a', which lies outside"),
        ({"files": {"/etc/a": {"bytes": 1, "sha256": ""}}}, "names the file '/etc/a', which lies outside"),
        ({"llama": 7}, "is incomplete"),
        ({"languages": 7}, "is incomplete"),
    ],
)
def test_manifests_that_cannot_be_used(folder, values, message):
    change(folder, **values)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


def test_manifests_that_are_no_json_or_no_object(folder):
    for text in ("{", "[]", "", "\0"):
        (folder / "bundle.json").write_text(text)
        with pytest.raises(BundleError, match=r"bundle\.json"):
            read_bundle(folder)


def test_missing_bundles(tmp_path, monkeypatch):
    with pytest.raises(BundleError, match="nowhere is not a folder: name a bundle with --model"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"is not a bundle: it has no bundle\.json"):
        read_bundle(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="looks like a Llama: name it with --llama"):
        read_bundle(tmp_path)
    monkeypatch.setenv("LLAMA_SPEECH_BUNDLE", str(tmp_path / "gone"))
    with pytest.raises(BundleError, match="gone of LLAMA_SPEECH_BUNDLE is not a folder"):
        read_bundle()
    assert issubclass(BundleError, CheckpointError)


def test_where_the_default_is_found(folder, monkeypatch):
    monkeypatch.delenv("LLAMA_SPEECH_BUNDLE", raising=False)
    assert default_bundle_folder() == bundles_folder() / "default"
    monkeypatch.setenv("LLAMA_SPEECH_BUNDLE", str(folder))
    assert read_bundle().folder == folder


def test_bundles_of_the_package_are_found_by_name(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("llama_speech.bundle.bundles_folder", lambda: folder.parent)
    monkeypatch.chdir(tmp_path / "bundle")
    assert read_bundle("bundle").folder == folder
    with pytest.raises(BundleError, match="bundle other is not a folder"):
        read_bundle("other")
