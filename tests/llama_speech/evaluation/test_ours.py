"""The model as a system under test: its signature changes with whatever can change its text."""

from dataclasses import replace
from pathlib import Path

import pytest

from llama_speech.bundle import BundleInfo, write_manifest
from llama_speech.evaluation.ours import OurOptions, SharedModel, code_digest, folder_digest, load_modes
from llama_speech.evaluation.scores import score_texts
from llama_speech.evaluation.transcripts import transcribe_files
from speech_core.errors import BundleError, ConfigError

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.fixture
def bundle(tmp_path):
    """A bundle with a manifest and one file of weights that nobody loads."""
    folder = tmp_path / "bundle"
    (folder / "speech_encoder").mkdir(parents=True)
    (folder / "speech_encoder" / "model.safetensors").write_bytes(b"weights")
    write_manifest(folder, BundleInfo("test", "1", llama={"package": "none"}))
    return folder


def signature(bundle, **changes):
    return SharedModel(replace(OurOptions(bundle=str(bundle)), **changes)).signature


def test_signature_is_stable_and_names_everything(bundle):
    text = signature(bundle)
    assert text == signature(bundle)
    for part in (
        "bundle:test-1-",
        "llama:",
        "lang:en",
        "vad:yes",
        "batch:8",
        f"code:{code_digest()}",
        "torch:",
    ):
        assert part in text


@pytest.mark.parametrize("change", [{"vad": False}, {"batch_size": 2}, {"dtype": "float32"}, {"threads": 2}])
def test_options_change_the_signature(bundle, change):
    assert signature(bundle, **change) != signature(bundle)


def test_weights_and_llama_change_the_signature(bundle, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_SPEECH_LLAMA", raising=False)
    before = signature(bundle)
    llama = tmp_path / "llama"
    llama.mkdir()
    (llama / "config.json").write_text("{}")
    assert folder_digest(llama) in signature(bundle, llama=str(llama))
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(llama))
    assert signature(bundle) == signature(bundle, llama=str(llama))
    monkeypatch.delenv("LLAMA_SPEECH_LLAMA")
    (bundle / "speech_encoder" / "model.safetensors").write_bytes(b"other weights")
    write_manifest(bundle, BundleInfo("test", "1", llama={"package": "none"}))
    assert signature(bundle) != before


def test_a_missing_bundle_is_known_before_anything_runs(tmp_path):
    (model,) = load_modes(OurOptions(bundle=str(tmp_path / "gone")), ["llama"])
    with pytest.raises(BundleError, match="gone"):
        model.signature()


def test_modes_share_one_model_and_have_their_own_names(bundle):
    first, second = load_modes(OurOptions(bundle=str(bundle), batch_size=4), ["llama", "ctc"])
    assert (first.name, second.name) == ("llama-speech", "llama-speech:ctc")
    assert first.shared is second.shared
    assert first.batch_size == 16
    assert first.signature() != second.signature()
    with pytest.raises(ConfigError, match="use llama or ctc"):
        load_modes(OurOptions(), ["beam"])


def tiny_options(stack):
    """The tiny stack, hearing everything: no voice activity detection."""
    bundle, llama = str(stack.bundle), str(stack.llama)
    return OurOptions(bundle=bundle, llama=llama, device="cpu", dtype="float32", vad=False)


def test_a_tiny_model_is_asked_as_users_ask_it(tiny_stack, tiny_model, tmp_path):
    chosen = tiny_options(tiny_stack)
    clips = sorted(SAMPLES.glob("*.flac"))
    systems = load_modes(replace(chosen, batch_size=2), ["llama", "ctc"])
    for system in systems:
        expected = [tiny_model.transcribe(clip, mode=system.mode, vad=False).text for clip in clips]
        assert system.transcribe(clips) == expected
        made = transcribe_files(system, clips, tmp_path / "cache")
        assert [item.text for item in made] == expected
        assert all(item.error is None and item.cpu_s > 0 for item in made)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_file_that_is_not_audio_fails_alone(tiny_stack, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no sound")
    chosen = tiny_options(tiny_stack)
    (system,) = load_modes(chosen, ["ctc"])
    clip = min(SAMPLES.glob("*.flac"))
    first, second = transcribe_files(system, [bad, clip], tmp_path / "cache")
    assert "bad.wav" in str(first.error)
    assert second.error is None


@pytest.mark.bundle
def test_the_shipped_model_hears_the_samples():
    rows = [line.split("\t") for line in (SAMPLES / "transcripts.tsv").read_text().splitlines()]
    rows = [row for row in rows if row[0].endswith(".flac")]
    for model in load_modes(OurOptions(threads=1), ["llama", "ctc"]):
        heard = model.transcribe([SAMPLES / row[0] for row in rows])
        rate = score_texts([row[-1] for row in rows], heard).rate
        assert rate is not None
        assert rate < 0.9  # the model card states the real figure; this sees a broken path
