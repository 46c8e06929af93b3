import pytest
import torch
from torch.nn import functional

from speech_core.convolution import depthwise_convolution


@pytest.mark.parametrize(("rows", "total", "channels", "kernel"), [(2, 9, 3, 7), (1, 1, 4, 3), (3, 5, 2, 1)])
def test_it_equals_a_grouped_convolution(rows: int, total: int, channels: int, kernel: int) -> None:
    torch.manual_seed(0)
    padded, weight = torch.randn(rows, total + kernel - 1, channels), torch.randn(channels, 1, kernel)
    expected = functional.conv1d(padded.transpose(1, 2), weight, groups=channels).transpose(1, 2)
    torch.testing.assert_close(depthwise_convolution(padded, weight), expected)


def test_its_gradients_are_right() -> None:
    padded = torch.randn(2, 8, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(depthwise_convolution, (padded, weight))


def test_sixteen_bits_are_near_to_thirty_two() -> None:
    torch.manual_seed(0)
    padded, weight = torch.randn(2, 20, 8), torch.randn(8, 1, 7)
    exact = depthwise_convolution(padded, weight)
    assert (depthwise_convolution(padded.bfloat16(), weight).float() - exact).abs().max() < 0.1


def test_too_short_an_input_gives_nothing() -> None:
    assert depthwise_convolution(torch.randn(2, 3, 4), torch.randn(4, 1, 7)).shape == (2, 0, 4)
