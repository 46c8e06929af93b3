"""Mixtures of logistics: against integration, against counts of samples, and at the edges."""

import torch

from prosody.distributions import Mixture


def make_mixture(rows: int = 3, components: int = 4, seed: int = 0) -> Mixture:
    torch.manual_seed(seed)
    return Mixture.from_outputs(torch.randn(rows, 3 * components))


def test_masses_of_all_values_sum_to_one():
    edges = torch.linspace(-80, 80, 4001)
    mass = make_mixture().log_mass(edges[:-1, None], edges[1:, None]).exp()
    torch.testing.assert_close(mass.sum(0), torch.ones(3), atol=1e-4, rtol=0)


def test_the_mass_equals_the_difference_of_distribution_functions():
    mixture = make_mixture()
    low, high = torch.tensor([-0.7, 0.1, 1.0]), torch.tensor([-0.2, 0.3, 4.0])

    def below(x):
        scaled = (x[:, None] - mixture.centres) / mixture.log_scales.exp()
        return (mixture.weights.softmax(-1) * torch.sigmoid(scaled)).sum(-1)

    torch.testing.assert_close(mixture.log_mass(low, high).exp(), below(high) - below(low))


def test_the_mean_equals_that_of_many_samples():
    mixture = make_mixture(rows=1)
    draws = torch.rand(200_000, 2, generator=torch.Generator().manual_seed(1))
    many = Mixture(*(part.expand(len(draws), -1) for part in mixture))
    torch.testing.assert_close(many.sample(draws).mean(), mixture.mean()[0], atol=0.03, rtol=0)


def test_the_mean_of_the_exponential_equals_that_of_many_samples():
    mixture = make_mixture(rows=1)
    mixture = mixture._replace(log_scales=mixture.log_scales.clamp(max=-1.0))
    draws = torch.rand(200_000, 2, generator=torch.Generator().manual_seed(3))
    many = Mixture(*(part.expand(len(draws), -1) for part in mixture)).sample(draws)
    expected = (0.5 * many).exp().mean().log() / 0.5
    torch.testing.assert_close(expected, mixture.log_mean_exp(torch.tensor([0.5]))[0], atol=0.02, rtol=0)
    assert expected > mixture.mean()[0] + 0.02


def test_samples_follow_the_mass():
    mixture = make_mixture(rows=1)
    draws = torch.rand(100_000, 2, generator=torch.Generator().manual_seed(2))
    samples = Mixture(*(part.expand(len(draws), -1) for part in mixture)).sample(draws)
    for low, high in ((-1.0, 0.0), (0.0, 0.5), (1.0, 3.0)):
        share = float(((samples > low) & (samples <= high)).float().mean())
        mass = float(mixture.log_mass(torch.tensor([low]), torch.tensor([high])).exp())
        assert abs(share - mass) < 0.01


def test_a_low_temperature_gives_the_centre_of_the_heaviest_component():
    mixture = make_mixture(rows=5)
    samples = mixture.sample(torch.rand(5, 2), temperature=1e-4)
    heaviest = mixture.centres.gather(1, mixture.weights.argmax(1, keepdim=True))[:, 0]
    torch.testing.assert_close(samples, heaviest, atol=0.01, rtol=0)


def test_the_mode_is_the_centre_of_highest_density():
    mixture = make_mixture(rows=6)
    width = 1e-3
    centres = mixture.centres.T[..., None].expand(-1, -1, 1)[..., 0]  # (components, rows)
    densities = mixture.log_mass(centres - width, centres + width)
    best = centres.gather(0, densities.argmax(0, keepdim=True))[0]
    torch.testing.assert_close(mixture.mode(), best)


def test_far_and_narrow_values_have_finite_likelihood_and_gradient():
    outputs = torch.tensor([[0.0, 0.0, 0.0, 1.0, -50.0, 2.0]], requires_grad=True)
    low = torch.tensor([-1e4, 30.0, 0.0])
    high = torch.tensor([-5.0, 30.01, 0.0001])
    mass = Mixture.from_outputs(outputs.expand(3, -1)).log_mass(low, high)
    mass.sum().backward()
    assert mass.isfinite().all()
    assert (mass < 0).all()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
