"""Normalisation and its inverse; edges of what is known."""

from dataclasses import replace

import pytest
import torch

from prosody.targets import (
    Targets,
    denormalise,
    denormalise_one,
    edges,
    measure_normalisation,
    normalise,
)
from speech_core.errors import InputError
from tests.prosody.texts import TINY

CONFIG = replace(TINY, means=(-2.5, 5.0, -8.0), deviations=(0.5, 0.25, 2.0))


def some_targets(count: int = 40) -> Targets:
    torch.manual_seed(0)
    values = torch.randn(1, count, 3) * torch.tensor([0.3, 0.2, 2.0]) + torch.tensor([-2.4, 5.1, -7.0])
    frames = (values[..., 0].exp() / CONFIG.frame_s).round().clamp(min=1)
    values[..., 0] = torch.log(frames * CONFIG.frame_s)
    return Targets(values, torch.rand(1, count) < 0.7)


def test_normalised_values_come_back():
    targets, speakers = some_targets(), torch.tensor([0])
    normalised = normalise(targets, speakers, CONFIG)
    assert (normalised[..., 1][~targets.voiced] == 0).all()
    back = denormalise(normalised, speakers, CONFIG)
    torch.testing.assert_close(back[targets.voiced], targets.values[targets.voiced])
    one = denormalise_one(tuple(normalised[0, 3].tolist()), 0, CONFIG)
    torch.testing.assert_close(torch.tensor(one), back[0, 3])


def test_each_speaker_has_constants_of_its_own():
    both = replace(CONFIG, speakers=("a", "b"), means=(*CONFIG.means, 0, 0, 0), deviations=(1.0,) * 6)
    targets = Targets(torch.zeros(2, 1, 3), torch.ones(2, 1, dtype=torch.bool))
    values = normalise(targets, torch.tensor([0, 1]), both)
    assert values[:, 0].tolist() == [[2.5, -5.0, 8.0], [0.0, 0.0, 0.0]]
    assert denormalise_one((0.0, 0.0, 0.0), 1, both) == (0.0, 0.0, 0.0)


def test_measured_constants_normalise_to_mean_0_and_deviation_1():
    targets = Targets(some_targets().values[0], some_targets().voiced[0])
    means, deviations = measure_normalisation([targets])
    config = replace(CONFIG, means=means, deviations=deviations)
    values = normalise(Targets(targets.values[None], targets.voiced[None]), torch.tensor([0]), config)[0]
    columns = [values[:, 0], values[targets.voiced, 1], values[:, 2]]
    for column in columns:
        assert abs(float(column.mean())) < 1e-3
        assert abs(float(column.std()) - 1) < 1e-3


def test_nothing_voiced_cannot_be_measured():
    with pytest.raises(InputError, match="voiced"):
        measure_normalisation([])


def test_edges_of_durations_are_half_frames():
    targets, speakers = some_targets(), torch.tensor([0])
    low, high = edges(targets, speakers, CONFIG)
    values = normalise(targets, speakers, CONFIG)
    assert (low[..., 0] < values[..., 0]).all()
    assert (high[..., 0] > values[..., 0]).all()
    frames = (targets.values[..., 0].exp() / CONFIG.frame_s).round()
    upper = denormalise(high, speakers, CONFIG)[..., 0].exp() / CONFIG.frame_s
    torch.testing.assert_close(upper, frames + 0.5)
    power = (high - low)[..., 2] * CONFIG.deviations[2]
    torch.testing.assert_close(power, torch.full_like(power, CONFIG.power_resolution), atol=1e-5, rtol=0)


def test_neighbouring_durations_share_an_edge_and_one_frame_has_no_lower():
    values = torch.zeros(1, 3, 3)
    values[0, :, 0] = torch.log(torch.tensor([1.0, 2.0, 3.0]) * CONFIG.frame_s)
    low, high = edges(Targets(values, torch.ones(1, 3, dtype=torch.bool)), torch.tensor([0]), CONFIG)
    torch.testing.assert_close(high[0, :2, 0], low[0, 1:, 0])
    assert float(low[0, 0, 0]) < -1e3
