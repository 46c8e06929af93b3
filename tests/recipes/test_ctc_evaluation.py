"""Figures on held-out clips: those of the model's own drafts, by one pass of the encoder."""

import pytest
import torch

from llama_speech.evaluation.scores import Metric, count_edits, error_rate, prepare_texts
from recipes.losses.ctc_evaluation import held_out_figures
from tests.recipes.test_finetune_speech import SOUNDS, build
from tests.speech_data import SENTENCES, ctc_log_probs, spoken, write_cache, write_llama


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A new model that also learns phones, with one held-out cache in several batches."""
    folder = tmp_path_factory.mktemp("ctc")
    words = {word for text in SENTENCES for word in text.split()}
    lines = [f"{word} {' '.join(SOUNDS[letter] for letter in word)}\n" for word in words]
    (folder / "words.dict").write_text("".join(lines))
    cache = write_cache(folder / "words", spoken())
    more = ["--held-out", str(cache), "--dictionary", str(folder / "words.dict"), "--batch-frames", "800"]
    made = build(write_llama(folder / "llama"), [cache], folder / "run", *more)
    made.model.eval()
    return made


def test_every_batch_is_encoded_once(task):
    calls = []
    hook = task.model.speech.encoder.register_forward_hook(lambda *_: calls.append(1))
    figures = task.evaluate(task.model)
    hook.remove()
    assert len(calls) == len(task.held_out["words"]) > 1
    assert {"wer", "wer_words", "held_out_ctc_loss", "held_out_phone_loss", "phone_error_rate"} == set(
        figures
    )


def test_figures_are_those_of_the_drafts(task):
    speech, targets = task.model.speech, task.model.targets
    wanted, got = [], []
    for batch in task.held_out["words"]:
        with torch.no_grad():
            found = speech.ctc.greedy(*ctc_log_probs(speech, batch.features, batch.lengths))
        wanted += batch.texts
        got += [targets.tokenizer.decode(item.token_ids) for item in found]
    figures = held_out_figures(speech, targets, {**task.held_out, "again": task.held_out["words"]})
    counts = count_edits(prepare_texts(wanted, Metric()), prepare_texts(got, Metric()))
    assert figures["wer"] == figures["wer_words"] == figures["wer_again"] == 100 * error_rate(counts)
    assert "phone_error_rate" not in figures
    assert held_out_figures(speech, targets, {}) == {}
