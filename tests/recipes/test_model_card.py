"""The card says what was measured and how the weights were made, and nothing that was not done."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from llama_speech.bundle import COMPONENTS, BundleInfo
from recipes.tables.model_card import SECTIONS, render

STAGE = {"method": "CTC", "audio_hours": 12.25, "step": 700, "train_hours": 0.5}
SCORE = {
    "component": "speech_adapter",
    "data": "librispeech",
    "system": "ours",
    "metric": "wer/whisper-en",
    "rate": 0.5,
    "low": 0.4,
    "high": 0.625,
    "signature": "wer|x",
}


def card(folder: Path, *scores: dict, component: str = "speech_adapter", **training: object) -> str:
    part = folder / component
    part.mkdir(parents=True, exist_ok=True)
    (part / "training.json").write_text(json.dumps({**STAGE, **training}))
    save_file({"weight": torch.ones(100, 200), "ids": torch.arange(7)}, part / "model.safetensors")
    return render(folder, BundleInfo("default", "1", llama={"name": "SmolLM2"}, scores=scores))


def test_every_component_but_the_llama_has_a_section() -> None:
    named = [name for section in SECTIONS for name in section.components]
    assert sorted(named) == sorted(set(COMPONENTS) - {"llama"})


def test_scores_become_a_table_with_intervals(tmp_path: Path) -> None:
    other = {**SCORE, "system": "peer", "rate": 0.1, "low": 0.05, "high": 0.15}
    text = card(tmp_path, SCORE, other)
    assert "| set | ours | peer |" in text
    assert "| librispeech | 50.0 [40.0, 62.5] | 10.0 [5.0, 15.0] |" in text
    assert "wer|x" in text


def test_scores_stand_with_their_component(tmp_path: Path) -> None:
    error = {**SCORE, "component": "prosody", "metric": "rmse/log_f0", "value": 0.25, "low": None}
    del error["rate"]
    card(tmp_path, component="prosody", method="prosody")
    text = card(tmp_path, SCORE, error)
    assert text.index("## Recognizer") < text.index("| librispeech | 50.0") < text.index("## Prosody")
    assert text.index("## Prosody") < text.index("| librispeech | 0.250 |")


def test_sizes_and_storage_are_those_of_the_files(tmp_path: Path) -> None:
    assert "| speech_adapter | transcribe | 0.02 M | float32 | 0.1 MB |" in card(tmp_path)


def test_unmeasured_weights_say_so(tmp_path: Path) -> None:
    assert "Not measured yet" in card(tmp_path)


def test_every_stage_has_its_row_once(tmp_path: Path) -> None:
    earlier = [{**STAGE, "method": "BEST-RQ"}, STAGE]
    card(tmp_path, component="speech_encoder", method="Llama", earlier=earlier)
    text = card(tmp_path, method="Llama", earlier=earlier)
    rows = [line for line in text.splitlines() if line.endswith("| 12.2 | 700 | 0.5 |")]
    assert [row.split("|")[1].strip() for row in rows] == ["BEST-RQ", "CTC", "Llama"]
    assert "| BEST-RQ |" not in card(tmp_path / "other")


def test_a_stage_without_audio_has_dashes(tmp_path: Path) -> None:
    folder = tmp_path / "text_normalizer"
    folder.mkdir()
    (folder / "training.json").write_text('{"method": "tagger", "step": 5}')
    assert "| tagger | - | 5 | - |" in render(tmp_path, BundleInfo("default", "1"))
