"""Distillation from the command line on a small cache: it learns, resumes exactly, exports, and refuses."""

import pytest
import torch

from recipes import distil_encoder
from recipes.batches.speech_batches import SpeechBatches
from recipes.data.features_cache import FeatureCache
from recipes.distil_encoder import DistilModel, RunConfig
from recipes.training_loop import LoopConfig
from speech_core.checkpoint import load_config, load_weights, read_json
from speech_encoder.config import ENCODER_PRESETS, EncoderConfig
from speech_encoder.conformer import SpeechEncoder
from tests.recipes.test_pretrain_encoder import lines, mean_loss, without_times
from tests.speech_data import recorded, spoken, write_cache
from tests.whisper_model import WIDTH, write_whisper

pytest.importorskip("ctranslate2")
pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    clips = [(audio, None) for audio, _ in recorded()] + spoken()
    return write_cache(tmp_path_factory.mktemp("cache"), clips)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(autouse=True)
def as_narrow_as_the_teacher(monkeypatch):
    sizes = EncoderConfig(num_layers=2, d_model=WIDTH, d_feedforward=4 * WIDTH, num_heads=2, dropout=0.0)
    monkeypatch.setitem(ENCODER_PRESETS, "tiny", sizes)


def distil(cache, whisper, run_dir, *more: str) -> None:
    arguments = ["--preset", "tiny", "--caches", str(cache), "--whisper", str(whisper)]
    arguments += ["--run-dir", str(run_dir), "--learning-rate", "0.01", "--warmup-steps", "5"]
    arguments += ["--batch-frames", "2500", "--min-frames", "50", "--front-steps", "10"]
    arguments += ["--precision", "fp32", "--log-every-steps", "1"]
    distil_encoder.main([*arguments, *more])


def test_every_stream_gets_nearer_and_the_encoder_is_exported(cache, whisper, tmp_path):
    distil(cache, whisper, tmp_path, "--max-steps", "60", "--held-out", str(cache))
    train = lines(tmp_path)
    assert {"stream_0"} == {name for name in train[0] if name.startswith("stream")}  # the front alone
    assert {"stream_0", "stream_1"} == {name for name in train[10] if name.startswith("stream")}
    for stream in ("stream_0", "stream_1"):
        losses = [line[stream] for line in train if stream in line]
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert lines(tmp_path, "evaluation")[-1]["held_out_loss"] < mean_loss(train[10:13])
    folder = tmp_path / "export" / "speech_encoder"
    load_weights(folder, SpeechEncoder(load_config(folder, EncoderConfig)))
    assert read_json(folder / "training.json")["method"] == (
        f"distilled from Whisper {whisper.name}, begun with its layers"
    )


def test_going_on_equals_not_having_stopped(cache, whisper, tmp_path):
    distil(cache, whisper, tmp_path / "whole", "--max-steps", "14")
    distil(cache, whisper, tmp_path / "parts", "--max-steps", "8")
    distil(cache, whisper, tmp_path / "parts", "--max-steps", "14")
    whole, parts = ([without_times(line) for line in lines(tmp_path / name)] for name in ("whole", "parts"))
    assert whole == parts


def test_without_inheritance_all_layers_are_new(cache, whisper, tmp_path):
    config = RunConfig(
        LoopConfig(tmp_path, 1, 0.01), whisper, (cache,), preset="tiny", min_frames=50, inherit=False
    )
    task = distil_encoder.build(config)
    assert all(group["scale"] == 1.0 for group in task.parameter_groups(0.01))
    inherited = distil_encoder.build(RunConfig(config.loop, whisper, (cache,), preset="tiny", min_frames=50))
    assert {group["scale"] for group in inherited.parameter_groups(0.01)} == {1.0, config.inherited_rate}
    ours, theirs = (t.model.encoder.layers[1].attention.qkv.weight for t in (task, inherited))
    assert not torch.equal(ours, theirs)


def test_a_batch_is_measured_as_its_items(cache, whisper, tmp_path):
    config = RunConfig(LoopConfig(tmp_path, 1, 0.01), whisper, (cache,), preset="tiny", min_frames=50)
    model: DistilModel = distil_encoder.build(config).model.eval()
    together = SpeechBatches.fixed(FeatureCache([cache]), 100_000)[0]
    wanted = model.wanted(together)
    for row, (item, length) in enumerate(zip(together.features, together.lengths.tolist(), strict=True)):
        alone = type(together)(item[None, :length], together.lengths[row : row + 1], [None], [0], 0)
        for whole, own in zip(wanted, model.wanted(alone), strict=True):
            torch.testing.assert_close(whole[row, : own.shape[1]], own[0], atol=1e-4, rtol=0)


def test_an_encoder_of_another_rate_is_refused(cache, whisper, tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODER_PRESETS, "tiny", EncoderConfig(stack=8, num_layers=2))
    with pytest.raises(SystemExit, match="stack is 8"):
        distil(cache, whisper, tmp_path, "--max-steps", "1")
