"""Linear maps for inference on a CPU: weights laid out once for the processor's matrix kernels.

In bfloat16 where the processor multiplies those clearly faster; inputs and sums outside stay float32.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.errors import ConfigError

Linear = Callable[[Tensor], Tensor]  # (..., in) -> (..., out) of the chosen type
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_WORTH_IT = 1.3  # bfloat16 costs accuracy, so it must be at least this much faster


def pack(weight: Tensor, dtype: torch.dtype, bias: Tensor | None = None) -> Linear:
    """A linear map with its weight (out, in) in the layout of the kernels, if torch and processor know it."""
    weight = weight.to(dtype).contiguous()
    offset = None if bias is None else bias.to(dtype).contiguous()
    kernels: Any = torch.ops.mkldnn
    if _has_kernels(dtype):
        packed = kernels._reorder_linear_weight(weight, None)
        return lambda x: kernels._linear_pointwise(x.to(dtype), packed, offset, "none", [], "")
    return lambda x: functional.linear(x.to(dtype), weight, offset)


@cache
def _has_kernels(dtype: torch.dtype) -> bool:
    """Whether torch and this processor have them for a type: tried, for bfloat16 raises without AVX-512."""
    kernels: Any = torch.ops.mkldnn
    x = torch.ones(2, 2, dtype=dtype)
    try:
        kernels._linear_pointwise(x, kernels._reorder_linear_weight(x, None), None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return True


class PackedLinear(nn.Module):
    """Stands in for an nn.Linear when no more is trained; gives the type it is given."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        bias = None if linear.bias is None else linear.bias.detach()
        self._run = pack(linear.weight.detach(), dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return self._run(x).to(x.dtype)


def pack_linears(model: nn.Module, dtype: torch.dtype) -> None:
    """Put a PackedLinear in place of each nn.Linear of a model; it can neither be trained nor saved then."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, dtype))


def choose_dtype(dtype: str) -> torch.dtype:
    """float32 or bfloat16; `auto` times both. Raises ConfigError for another name."""
    if dtype in DTYPES:
        return DTYPES[dtype]
    if dtype != "auto":
        raise ConfigError(f"dtype is {dtype!r}: the CPU engine knows {', '.join(DTYPES)} and auto")
    slow, fast = _matmul_seconds(torch.float32), _matmul_seconds(torch.bfloat16)
    return torch.bfloat16 if slow > _WORTH_IT * fast else torch.float32


def _matmul_seconds(dtype: torch.dtype) -> float:
    """Best of a few products of the size of a prefill: a matter of milliseconds."""
    product = pack(torch.ones(1536, 576), dtype)
    x = torch.ones(64, 576)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        product(x)
        best = min(best, time.perf_counter() - start)
    return best
