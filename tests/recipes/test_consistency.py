"""CR-CTC: two views of a batch, and what they say differently."""

import json

import pytest
import torch

from recipes.batches.speech_batches import SpeechBatch
from recipes.losses.consistency import consistency_loss, twice
from tests.recipes.test_finetune_speech import finetune
from tests.speech_data import spoken, write_cache, write_llama


def test_equal_views_differ_by_nothing():
    scores = torch.randn(3, 7, 11, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([7, 4, 1]).repeat(2)
    assert float(consistency_loss(scores.repeat(2, 1, 1), lengths)) == pytest.approx(0.0, abs=1e-5)


def test_it_is_the_mean_of_both_divergences():
    first, second = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1)).split(1)
    p, q = first.softmax(-1), second.softmax(-1)
    wanted = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    loss = consistency_loss(torch.cat([first, second]), torch.tensor([5, 5]))
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_padding_adds_nothing_and_learns_nothing():
    scores = torch.randn(4, 9, 6, generator=torch.Generator().manual_seed(2)).requires_grad_()
    lengths = torch.tensor([9, 3, 9, 3])
    loss = consistency_loss(scores, lengths)
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad[[1, 3], 3:].any()
    assert scores.grad[[1, 3], :3].any()
    changed = scores.detach().clone()
    changed[[1, 3], 3:] = 100 * torch.randn(2, 6, 6)
    assert float(consistency_loss(changed, lengths)) == pytest.approx(loss.item(), rel=1e-6)


def test_each_view_moves_towards_the_other_held_fixed():
    scores = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(3)).requires_grad_()
    consistency_loss(scores, torch.tensor([3, 3])).backward()
    probabilities = scores.detach().softmax(-1)
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad, (probabilities - probabilities.roll(1, 0)) / 2, atol=1e-6, rtol=0)


def test_a_batch_twice_holds_each_item_in_both_halves():
    features, lengths = torch.randn(2, 8, 3), torch.tensor([8, 5])
    teacher = torch.randn(2, 4, 6)
    batch = SpeechBatch(features, lengths, ["a", None], [4, 7], 3, [{}, {"x": 1}], [{}, {}], teacher)
    double = twice(batch)
    assert double.texts == ["a", None, "a", None]
    assert double.items == [4, 7, 4, 7]
    assert double.seed == 3
    assert double.extras[3] == {"x": 1}
    assert len(double.records) == 4
    assert double.teacher is not None
    for half in (slice(0, 2), slice(2, 4)):
        assert torch.equal(double.features[half], features)
        assert torch.equal(double.lengths[half], lengths)
        assert torch.equal(double.teacher[half], teacher)


@pytest.mark.usefixtures("fresh_accelerator")
def test_a_run_with_two_views_learns_and_resumes_exactly(tmp_path):
    llama, cache = write_llama(tmp_path / "llama"), write_cache(tmp_path / "words", spoken())
    more = ["--consistency", "0.2", "--warp", "0.1"]
    finetune(llama, [cache], tmp_path / "whole", *more, "--max-steps", "8")
    finetune(llama, [cache], tmp_path / "parts", *more, "--max-steps", "3")
    finetune(llama, [cache], tmp_path / "parts", *more, "--max-steps", "8")
    logs = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    whole, parts = ([one for line in log if (one := json.loads(line))["kind"] == "train"] for log in logs)
    assert [one["loss"] for one in parts] == [one["loss"] for one in whole]
    assert all(one["consistency_loss"] > 0 for one in whole)  # masks and warps of the views are their own
    assert whole[-1]["ctc_loss"] < whole[0]["ctc_loss"]
