"""Packed linear maps give what nn.Linear gives, up to the precision chosen."""

import pytest
import torch
from torch import nn

from speech_core import packed_linear
from speech_core.errors import ConfigError
from speech_core.packed_linear import PackedLinear, choose_dtype, pack, pack_linears


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 4, 5), (0, 5)])
def test_packed_equals_plain(dtype, tolerance, bias, shape):
    torch.manual_seed(0)
    plain = nn.Linear(5, 7, bias=bias)
    x = torch.randn(shape)
    got = PackedLinear(plain, dtype)(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, plain(x).detach(), atol=tolerance, rtol=tolerance)


@pytest.fixture
def fresh_choice():
    packed_linear._has_kernels.cache_clear()
    yield
    packed_linear._has_kernels.cache_clear()


def raising_for(*dtypes):
    """The kernels of a processor that lacks some types."""
    reorder = torch.ops.mkldnn._reorder_linear_weight

    def raising(weight, *rest):
        if weight.dtype in dtypes:
            raise RuntimeError("bf16 path needs the cpu support avx_ne_convert")
        return reorder(weight, *rest)

    return raising


@pytest.mark.usefixtures("fresh_choice")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("missing", [(torch.bfloat16,), (torch.float32, torch.bfloat16)])
def test_a_processor_without_the_kernels_gets_the_same_result(monkeypatch, dtype, missing):
    """Most laptops have none for bfloat16, where they raise."""
    torch.manual_seed(0)
    weight, bias, x = torch.randn(7, 5), torch.randn(7), torch.randn(2, 5)
    wanted = x @ weight.T + bias
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", raising_for(*missing))
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(pack(weight, dtype, bias)(x).float(), wanted, atol=tolerance, rtol=tolerance)
    assert choose_dtype("auto") in (torch.float32, torch.bfloat16)


def test_every_linear_of_a_model_is_packed_and_nothing_else():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 2)), nn.ReLU())
    x = torch.randn(3, 4)
    wanted = model(x).detach()
    pack_linears(model, torch.float32)
    assert [type(module).__name__ for module in model.modules()].count("PackedLinear") == 2
    assert not any(type(module) is nn.Linear for module in model.modules())
    torch.testing.assert_close(model(x).detach(), wanted)


def test_precision_is_chosen_by_name_or_by_speed():
    assert choose_dtype("float32") is torch.float32
    assert choose_dtype("bfloat16") is torch.bfloat16
    assert choose_dtype("auto") in (torch.float32, torch.bfloat16)
    with pytest.raises(ConfigError, match="dtype is 'int3'"):
        choose_dtype("int3")
