"""A packed bundle verifies, loads equal up to storage, and changes by one component at a time."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from llama_speech.bundle import read_bundle
from recipes import pack_bundle
from recipes.pack_bundle import METRIC, RunConfig, main, pack
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, load_speech_model, read_token_embeddings, save_speech_model
from speech_core.checkpoint import weights_storage
from speech_core.errors import CheckpointError, ConfigError, InputError
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


def component(folder: Path, value: float = 1.0, **training: object) -> Path:
    """A component of another kind, with weights and a lexicon."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"width": 3}')
    (folder / "training.json").write_text(json.dumps({**STAGE, "method": "prosody", **training}))
    (folder / "lexicon.txt").write_text("a AH0\n")
    save_file(
        {"linear.weight": torch.full((4, 3), value), "linear.bias": torch.ones(4)},
        folder / "model.safetensors",
    )
    return folder


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
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle", storage=(storage,)))
    read_bundle(tmp_path / "bundle")  # verifies every checksum
    assert weights_storage(tmp_path / "bundle" / "speech_adapter" / "model.safetensors") == storage
    wanted, got = load_speech_model(export, llama), load_speech_model(tmp_path / "bundle", llama)
    packed = got.state_dict()
    for name, one in wanted.state_dict().items():
        scale = float(one.abs().max()) or 1.0
        assert float((one - packed[name]).abs().max()) <= tolerance * scale, name


def test_scores_reach_manifest_and_card(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export, llama = trained
    report = str(evaluation(tmp_path))
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle", evaluation=(report,)))
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.info.scores[0]["rate"] == 0.5
    assert "50.0 [40.0, 60.0]" in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


def test_an_old_bundle_is_replaced_whole(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export, llama = trained
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "stale.txt").write_text("old", encoding="utf-8")
    pack(RunConfig(model=export, llama=llama, out=tmp_path / "bundle"))
    assert not (tmp_path / "bundle" / "stale.txt").exists()


def test_one_component_is_added_and_replaced_and_the_rest_stays(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    export, llama = trained
    where = tmp_path / "bundle"
    first = pack(RunConfig(model=export, llama=llama, out=where, evaluation=(str(evaluation(tmp_path)),)))
    score = {"data": "dev", "system": "ours", "metric": "rmse/log_f0", "value": 0.25, "signature": "rmse"}
    for value in (1.0, 2.0):
        source = component(tmp_path / f"prosody{value}", value, scores=[{**score, "value": value / 4}])
        main(["--component", f"prosody={source}", "--storage", "float16", "--into", str(where)])
    bundle = read_bundle(where)
    assert set(bundle.components) == {"speech_encoder", "speech_adapter", "prosody"}
    assert {k: v for k, v in bundle.files.items() if k.startswith("speech_")} == {
        k: v for k, v in first.files.items() if k.startswith("speech_")
    }
    assert [one["metric"] for one in bundle.info.scores] == [METRIC, "rmse/log_f0"]
    assert bundle.info.scores[1]["value"] == 0.5
    card = (where / "README.md").read_text(encoding="utf-8")
    assert "| librispeech | 50.0 [40.0, 60.0] |" in card
    assert "| dev | 0.500 |" in card
    assert (where / "prosody" / "lexicon.txt").read_text() == "a AH0\n"


def test_two_changes_at_once_are_both_kept(trained: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    pack(RunConfig(model=trained[0], llama=trained[1], out=bundle))
    changes = [
        RunConfig(component=(f"{name}={component(tmp_path / name)}",), into=bundle)
        for name in ("prosody", "acoustic", "vocoder")
    ]
    with ThreadPoolExecutor(len(changes)) as pool:
        list(pool.map(pack, changes))
    assert {"prosody", "acoustic", "vocoder"} <= set(read_bundle(bundle).components)


def test_another_encoder_takes_away_the_scores_of_the_old_one(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    export, _ = trained
    where = tmp_path / "bundle"
    pack(RunConfig(model=export, out=where, evaluation=(str(evaluation(tmp_path)),)))
    pack(RunConfig(component=(f"speech_encoder={export / 'speech_encoder'}",), into=where))
    assert read_bundle(where).info.scores == ()
    pack(
        RunConfig(into=where, evaluation=(str(evaluation(tmp_path)),))
    )  # measured again, nothing else changed
    assert read_bundle(where).info.scores[0]["rate"] == 0.5


def test_pretraining_becomes_the_first_stage_once(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export, _ = trained
    pretraining = tmp_path / "rq" / "speech_encoder"
    pretraining.mkdir(parents=True)
    (pretraining / "training.json").write_text(json.dumps({**STAGE, "method": "BEST-RQ"}))
    for _ in range(2):
        pack(RunConfig(model=export, out=tmp_path / "bundle", pretraining=tmp_path / "rq"))
    rows = [line for line in (tmp_path / "bundle" / "README.md").read_text().splitlines() if "| 10 |" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["BEST-RQ", "CTC"]


def test_a_storage_by_name_wins(tmp_path: Path) -> None:
    chosen = RunConfig(out=tmp_path, storage=("vocoder=float16", "float32"))
    assert [chosen.storage_of(name) for name in ("vocoder", "acoustic")] == ["float16", "float32"]
    assert RunConfig(out=tmp_path, storage=("vocoder=float16",)).storage_of("prosody") == "int8"
    with pytest.raises(InputError, match="storage of prosody is 'int4': use one of float32, float16, int8"):
        RunConfig(out=tmp_path, storage=("prosody=int4",)).storage_of("prosody")


def test_too_large_a_bundle_is_refused_and_the_old_one_stays(tmp_path: Path, monkeypatch) -> None:
    where = tmp_path / "bundle"
    pack(RunConfig(component=(f"prosody={component(tmp_path / 'a')}",), out=where))
    before = (where / "bundle.json").read_bytes()
    monkeypatch.setattr(pack_bundle, "MAX_BUNDLE_BYTES", 100)
    with pytest.raises(InputError, match="at most 0 may ship: store more of it in int8"):
        pack(RunConfig(component=(f"vocoder={component(tmp_path / 'b')}",), into=where))
    assert (where / "bundle.json").read_bytes() == before


def test_what_cannot_be_packed_is_said(tmp_path: Path) -> None:
    good = component(tmp_path / "good")
    with pytest.raises(ConfigError, match="say where"):
        RunConfig()
    cases = {
        "nothing to pack": (),
        "'ears' is no component: use one of speech_encoder": (f"ears={good}",),
        "--component is 'prosody': write NAME=COMPONENT": ("prosody",),
    }
    for message, components in cases.items():
        with pytest.raises(InputError, match=message):
            pack(RunConfig(component=components, out=tmp_path / "bundle"))
    (good / "model.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="would have to be unpickled"):
        pack(RunConfig(component=(f"prosody={good}",), out=tmp_path / "bundle"))
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        pack(RunConfig(component=(f"prosody={tmp_path}",), out=tmp_path / "bundle"))
    with pytest.raises(SystemExit, match=r"^pack_bundle: .*is missing"):
        main(["--component", f"prosody={tmp_path}", "--out", str(tmp_path / "bundle")])
