"""The training recipe: a run of a few steps, resumable, whose export works."""

import pytest

from llama_speech.normalization import Chooser, normalize
from recipes.train_normalizer import RunConfig, Tally, build, train
from recipes.training_loop import LoopConfig
from speech_core.checkpoint import read_json
from tts_frontend.config import NormalizerConfig
from tts_frontend.tagger import Tagger


def config_of(data, run_dir, steps):
    loop = LoopConfig(run_dir, steps, 3e-3, warmup_steps=2, precision="fp32", evaluate_every_steps=100)
    return RunConfig(loop, data=data, llama=False, batch_size=16)


@pytest.mark.slow
def test_a_run_learns_goes_on_and_exports(labelled_text, tmp_path):
    before = build(config_of(labelled_text, tmp_path, 1)).evaluate(
        build(config_of(labelled_text, tmp_path, 1)).model.eval()
    )
    train(config_of(labelled_text, tmp_path, 20))
    figures = train(config_of(labelled_text, tmp_path, 40))
    assert figures["google_tn_places"] > before["google_tn_places"]
    tagger = Tagger.load(tmp_path / "export" / "text_normalizer")
    said = normalize("It cost $5.", NormalizerConfig(), Chooser(tagger))
    assert not any(c.isdigit() for c in said)
    record = read_json(tmp_path / "export" / "text_normalizer" / "training.json")
    assert record["step"] == 40
    assert sum(record["samples"].values()) > 40


def test_the_weight_of_the_rules_is_chosen_on_samples_kept_from_training(labelled_text):
    task = build(config_of(labelled_text, labelled_text / "run", 1))
    model = task.model.eval()  # untrained, all its scores are zero
    texts = {item.text for item in task.batches.items}
    task.tuning = task.held_out
    assert not texts & {item.text for item in build(config_of(labelled_text, labelled_text, 1)).tuning}
    weight = task.choose_rule_weight(model)
    assert weight > 0  # the rules know more than nothing
    assert sum(task.said_right(model, weight).values()) > sum(task.said_right(model, 0.0).values())


def test_a_sample_is_right_when_all_its_places_are(labelled_text):
    task = build(config_of(labelled_text, labelled_text / "run", 1))
    item = next(item for item in task.held_out if len(item.places) > 1)
    tally = Tally()
    tally.add(item, [True] * len(item.places))
    tally.add(item, [False] + [True] * (len(item.places) - 1))
    shares = tally.shares()
    assert shares[f"{item.source}_samples"] == 0.5
    assert shares[f"n_{item.source}_places"] == 2 * len(item.places)
