"""Models beside each other on held-out clips: each with the figures its own drafts have."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from llama_speech.bundle import read_bundle
from llama_speech.default_llama import find_or_make_default_llama
from llama_speech.evaluation.scores import Metric, count_edits, error_rate, prepare_texts
from recipes import score_ctc
from recipes.data.features_cache import compute_features
from speech_adapter.model import load_speech_model, save_speech_model
from speech_encoder.config import FeatureConfig
from tests.recipes.test_average_models import model
from tests.speech_data import SENTENCES, Clip, ctc_log_probs, recorded, spoken, write_cache, write_llama

LETTERS = {"classes": 26, "first": ord("a")}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caches")
    return [
        write_cache(folder / "one", spoken(SENTENCES[:3])),
        write_cache(folder / "two", spoken(SENTENCES[3:])),
    ]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for seed in (0, 1):
        save_speech_model(folder / str(seed), model(seed, **LETTERS), {})
    return [folder / "0", folder / "1"]


def command(models, caches, llama, *more: str) -> list[str]:
    return ["--models", *map(str, models), "--caches", *map(str, caches), "--llama", str(llama), *more]


def greedy_error_rate(folder: Path, llama: Path, clips: list[Clip]) -> float:
    """Word errors in percent of what the head says of each clip by itself, one clip at a time."""
    speech = load_speech_model(folder, llama).eval()
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    got = []
    for audio, _ in clips:
        features = torch.from_numpy(compute_features(audio, FeatureConfig())).float()[None]
        with torch.no_grad():
            found = speech.ctc.greedy(*ctc_log_probs(speech, features, torch.tensor([features.shape[1]])))
        got.append(tokenizer.decode(found[0].token_ids))
    wanted = prepare_texts([text or "" for _, text in clips], Metric())
    return 100 * (error_rate(count_edits(wanted, prepare_texts(got, Metric()))) or 0.0)


def test_each_model_has_a_row_and_a_record(exports, caches, llama, tmp_path, capsys):
    out = tmp_path / "scores.json"
    score_ctc.main(command(exports, caches, llama, "--out", str(out)))
    first, second = json.loads(out.read_text())
    assert first["held_out_ctc_loss"] != second["held_out_ctc_loss"]
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "| model | CTC loss | all, % | one | two |"
    losses = [f"{record['held_out_ctc_loss']:.3f}" for record in (first, second)]
    assert [row.split(" | ")[:2] for row in rows] == [
        [f"| {folder}", loss] for folder, loss in zip(exports, losses, strict=True)
    ]


@pytest.mark.bundle
def test_the_shipped_weights_have_the_word_errors_of_their_drafts(tmp_path):
    clips, bundle, llama = recorded(), read_bundle(None).folder, find_or_make_default_llama()
    cache, out = write_cache(tmp_path / "samples", clips), tmp_path / "scores.json"
    score_ctc.main(command([bundle], [cache], llama, "--out", str(out)))
    (record,) = json.loads(out.read_text())
    wanted = greedy_error_rate(bundle, llama, clips)
    assert 0 < record["wer"] == record["wer_samples"] < 100
    assert record["wer"] == pytest.approx(wanted, abs=2)  # features are kept in 16 bits


def test_only_the_first_items_count(exports, caches, llama, tmp_path):
    out = tmp_path / "scores.json"
    score_ctc.main(command(exports[:1], caches[:1], llama, "--items", "1", "--out", str(out)))
    short = write_cache(tmp_path / "one", spoken(SENTENCES[:1]))
    again = tmp_path / "again.json"
    score_ctc.main(command(exports[:1], [short], llama, "--out", str(again)))
    assert json.loads(out.read_text()) == json.loads(again.read_text())


def test_what_is_missing_is_said_in_one_line(exports, llama, tmp_path):
    silent = write_cache(tmp_path / "silent", [(audio, None) for audio, _ in spoken(SENTENCES[:2])])
    with pytest.raises(SystemExit, match="silent has no clip with text"):
        score_ctc.main(command(exports[:1], [silent], llama))


def test_without_models_the_command_says_what_it_needs(tmp_path, llama, capsys):
    with pytest.raises(SystemExit):
        score_ctc.main(command([], [tmp_path], llama))
    assert "error: give the models, and the caches" in capsys.readouterr().err
