import json

import pytest
import torch

from recipes.batches.voice_batches import make_batch
from recipes.data.voice_cache import VoiceCacheWriter
from recipes.train_acoustic import AcousticTrainer, losses, main
from speech_synthesis.acoustic import AcousticModel, AcousticOutputs, load_acoustic
from speech_synthesis.config import ACOUSTIC_PRESETS
from tests.voice_items import make_item

CONFIG = ACOUSTIC_PRESETS["tiny"]


def test_the_loss_is_zero_for_the_truth_and_ignores_padding():
    batch = make_batch([make_item(1, 2), make_item(2, 5)], CONFIG)
    model = AcousticModel(CONFIG)
    truth = AcousticOutputs(batch.mel, batch.share, batch.f0, torch.where(batch.voiced, 50.0, -50.0))
    assert all(float(term) == pytest.approx(0.0, abs=1e-6) for term in losses(truth, batch, model).values())
    poisoned = AcousticOutputs(*(part.clone() for part in truth))
    poisoned.mel[0, -1] = 1e4
    assert not bool(batch.valid[0, -1])
    assert float(losses(poisoned, batch, model)["mel"]) == pytest.approx(0.0, abs=1e-6)
    poisoned.mel[1, 0] += 1.0
    assert float(losses(poisoned, batch, model)["mel"]) > 0


def test_figures_are_in_units_of_people():
    batch = make_batch([make_item(1)], CONFIG)
    trainer = AcousticTrainer(AcousticModel(CONFIG))
    _, figures = trainer(batch)
    assert set(figures) == {"mel_db", "voicing_errors", "f0_cents"}
    assert 0 <= figures["voicing_errors"] <= 1


@pytest.mark.slow
def test_the_recipe_learns_and_goes_on(tmp_path):
    VoiceCacheWriter(tmp_path / "voice").write_shard(0, [make_item(n, 4) for n in range(120)])
    run = tmp_path / "run"
    command = ["--voices", str(tmp_path / "voice"), "--run-dir", str(run), "--preset", "tiny"]
    command += [
        "--learning-rate",
        "0.01",
        "--warmup-steps",
        "5",
        "--precision",
        "fp32",
        "--batch-frames",
        "800",
    ]
    command += ["--average-decay", "0.9", "--log-every-steps", "10"]
    main([*command, "--max-steps", "10"])
    main([*command, "--max-steps", "60"])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses_seen = [line["held_out_loss"] for line in lines if line["kind"] == "evaluation"]
    assert losses_seen[-1] < 0.7 * losses_seen[0]
    model = load_acoustic(run / "export" / "acoustic")
    assert model.config.mean_log_f0 == pytest.approx(5.25, abs=0.1)
    record = json.loads((run / "export" / "acoustic" / "training.json").read_text(encoding="utf-8"))
    assert record["voices"] == ["maker"]
