"""Pre-training from the command line on a small cache: it learns, resumes exactly, and exports."""

import json
import math

import numpy as np
import pytest
import torch

from recipes import pretrain_encoder
from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from recipes.loop import options
from speech_core.checkpoint import load_config, load_weights, read_json
from speech_encoder.best_rq import RandomProjectionQuantizer
from speech_encoder.config import BestRqConfig, EncoderConfig
from speech_encoder.conformer import SpeechEncoder
from tests.speech_data import recorded, spoken, write_cache

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Real speech without text, and tone words."""
    clips = [(audio, None) for audio, _ in recorded()] + spoken()
    return write_cache(tmp_path_factory.mktemp("cache"), clips)


def pretrain(cache, run_dir, *more: str) -> None:
    arguments = ["--preset", "tiny", "--caches", str(cache), "--run-dir", str(run_dir)]
    arguments += ["--learning-rate", "0.003", "--warmup-steps", "10", "--batch-frames", "2500"]
    arguments += ["--min-frames", "50", "--precision", "fp32", "--log-every-steps", "1"]
    pretrain_encoder.main([*arguments, *more])


def lines(run_dir, kind: str = "train") -> list[dict]:
    found = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def mean_loss(part: list[dict]) -> float:
    return float(sum(line["loss"] for line in part) / len(part))


def test_the_loss_falls_below_chance_and_everything_is_recorded(cache, tmp_path):
    pretrain(cache, tmp_path, "--max-steps", "60", "--held-out", str(cache))
    train = lines(tmp_path)
    assert mean_loss(train[:3]) > 3.9  # chance is ln 64 = 4.16
    assert mean_loss(train[-10:]) < 0.85 * mean_loss(train[:3])
    figures = {"accuracy_00", "accuracy_01", "masked_accuracy", "masked_share", "codes_used", "code_entropy"}
    assert figures | {"gradient_norm", "loss"} <= set(train[-1])
    assert np.mean([line["masked_share"] for line in train]) == pytest.approx(1 - 0.975**32, abs=0.05)
    assert 0 < train[-1]["code_entropy"] < math.log(64)
    held_out = lines(tmp_path, "evaluation")[-1]
    assert held_out["held_out_loss"] < mean_loss(train[:3])
    run = read_json(tmp_path / "run.json")
    assert run["preset"] == "tiny"
    assert run["loop"]["max_steps"] == 60
    check_export(cache, tmp_path / "export")


def check_export(cache, export) -> None:
    encoder = SpeechEncoder(load_config(export / "speech_encoder", EncoderConfig))
    load_weights(export / "speech_encoder", encoder)
    mean, deviation = feature_statistics(FeatureCache([cache]))
    assert torch.equal(encoder.feature_mean, mean)
    assert torch.equal(encoder.feature_std, deviation)
    books = load_config(export / "quantizer", BestRqConfig)
    stored, drawn = (RandomProjectionQuantizer(320, books) for _ in range(2))
    load_weights(export / "quantizer", stored)
    assert torch.equal(stored.codebooks, drawn.codebooks)  # training left them as they were drawn
    assert torch.equal(stored.projections, drawn.projections)
    record = read_json(export / "speech_encoder" / "training.json")
    assert record["method"] == "BEST-RQ"
    assert record["step"] == 60
    assert record["sources"][0]["cache"] == cache.name


def without_times(line: dict) -> dict:
    return {name: value for name, value in line.items() if name not in ("train_s", "times_real_time")}


def test_resuming_equals_an_uninterrupted_run(cache, tmp_path):
    pretrain(cache, tmp_path / "whole", "--max-steps", "8")
    pretrain(cache, tmp_path / "parts", "--max-steps", "3")
    pretrain(cache, tmp_path / "parts", "--max-steps", "8")
    whole, parts = ([without_times(line) for line in lines(tmp_path / name)] for name in ("whole", "parts"))
    assert parts == whole
    weights = [
        (tmp_path / name / "export" / "speech_encoder" / "model.safetensors").read_bytes()
        for name in ("whole", "parts")
    ]
    assert weights[0] == weights[1]


def test_figures_of_books_left_out_are_left_out_of_json(cache, tmp_path):
    more = ["--max-steps", "2", "--codebooks-per-step", "1", "--held-out", str(cache)]
    pretrain(cache, tmp_path, *more)
    assert all(("accuracy_00" in line) != ("accuracy_01" in line) for line in lines(tmp_path))
    text = (tmp_path / "export" / "speech_encoder" / "training.json").read_text()
    assert "NaN" not in text


def test_evaluation_always_draws_the_same_masks(cache, tmp_path):
    config = options.parse(
        pretrain_encoder.RunConfig,
        "",
        ["--preset", "tiny", "--caches", str(cache), "--held-out", str(cache), "--run-dir", str(tmp_path),
         "--max-steps", "1", "--learning-rate", "1", "--batch-frames", "2500", "--min-frames", "50"],
    )  # fmt: skip
    task = pretrain_encoder.build(config)
    model = task.model.eval()
    assert task.evaluate(model) == task.evaluate(model)
    seconds = sum(task.audio_seconds(batch) for batch in task.held_out)
    assert seconds == pytest.approx(FeatureCache([cache]).hours * 3600)


def test_activation_checkpointing_learns_the_same(cache, tmp_path):
    pretrain(cache, tmp_path / "plain", "--max-steps", "2")
    pretrain(cache, tmp_path / "recomputed", "--max-steps", "2", "--activation-checkpointing")
    plain, recomputed = lines(tmp_path / "plain"), lines(tmp_path / "recomputed")
    assert [line["loss"] for line in recomputed] == pytest.approx([line["loss"] for line in plain], rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(["--preset", "huge"], "huge"), (["--precision", "fp8"], "fp8"), (["--max-steps", "0"], "max_steps")],
)
def test_wrong_options_end_with_usage(cache, tmp_path, wrong, words, capsys):
    with pytest.raises(SystemExit) as caught:
        pretrain(cache, tmp_path, "--max-steps", "2", *wrong)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
