"""A packed bundle verifies, loads equal up to storage, and carries scores and card."""

import json
from pathlib import Path

import pytest

from llama_speech.bundle import read_bundle
from recipes.pack_bundle import METRIC, RunConfig, pack
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, load_speech_model, read_token_embeddings, save_speech_model
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests.fakes import TinyLlama

STAGE = {"method": "CTC", "audio_hours": 1.0, "step": 10, "train_hours": 0.1}


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path]:
    """Export folder and Llama folder of a tiny run."""
    llama = TinyLlama().save(tmp_path / "llama")
    sizes = ADAPTER_PRESETS["tiny"]
    ctc = CtcHead(sizes.ctc_vocabulary, sizes.d_llama)
    ctc.bind(read_token_embeddings(llama))
    model = SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(sizes), ctc)
    save_speech_model(tmp_path / "export", model, STAGE)
    return tmp_path / "export", llama


def evaluation(folder: Path) -> Path:
    score = {"rate": 0.5, "low": 0.4, "high": 0.6, "signature": "wer|x", "items": 3}
    report = {"sets": [{"name": "librispeech", "systems": [{"name": "ours", "scores": {METRIC: score}}]}]}
    path = folder / "asr.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    return path


@pytest.mark.parametrize(("storage", "tolerance"), [("float32", 0.0), ("float16", 1e-3), ("int8", 1e-2)])
def test_packed_weights_equal_the_trained_ones_up_to_storage(
    trained: tuple[Path, Path], tmp_path: Path, storage: str, tolerance: float
) -> None:
    export, llama = trained
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle", storage=storage))
    read_bundle(tmp_path / "bundle")  # verifies every checksum
    wanted, got = load_speech_model(export, llama), load_speech_model(tmp_path / "bundle", llama)
    packed = got.state_dict()
    for name, one in wanted.state_dict().items():
        scale = float(one.abs().max()) or 1.0
        assert float((one - packed[name]).abs().max()) <= tolerance * scale, name


def test_scores_reach_manifest_and_card(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export, llama = trained
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle", evaluation=evaluation(tmp_path)))
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.info.scores[0]["rate"] == 0.5
    assert "50.0 [40.0, 60.0]" in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


def test_an_old_bundle_is_replaced_whole(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export, llama = trained
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "stale.txt").write_text("old", encoding="utf-8")
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle"))
    assert not (tmp_path / "bundle" / "stale.txt").exists()
