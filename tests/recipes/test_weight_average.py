"""The average is the formula, and swapping gives back what was there."""

import pytest
import torch
from torch import nn

from recipes.loop.weight_average import WeightAverage
from tests.toy_task import Line


def test_the_average_is_exponential_and_young_ones_forget_faster():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = WeightAverage(model, decay=0.5)
    expected = 0.0
    for step in range(12):
        model.weight.data.fill_(float(step))
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(average.values["weight"]) == pytest.approx(expected)


def test_with_a_share_of_one_half_a_young_average_is_the_mean():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(3.0)
    average = WeightAverage(model, decay=0.999, share=0.5)
    values = [3.0, 3.0]  # what it began with counts twice
    for step in range(1, 8):
        values.append(float(step * step))
        model.weight.data.fill_(values[-1])
        average.update(model, step)
    assert float(average.values["weight"]) == pytest.approx(sum(values) / len(values))


def test_swapping_twice_changes_nothing():
    model = Line()
    model.unused.requires_grad_(False)
    average = WeightAverage(model, 0.9)
    assert "unused" not in average.values
    model.linear.weight.data += 1
    before, averaged = model.linear.weight.detach().clone(), average.values["linear.weight"].clone()
    average.swap(model)
    assert torch.equal(model.linear.weight, averaged)
    average.swap(model)
    assert torch.equal(model.linear.weight, before)
    assert torch.equal(average.values["linear.weight"], averaged)
