"""What several processes of one run share: their number, who goes first, sharded weights, the precision.

`accelerate launch` starts them; with FSDP (version 2) each holds a part of every weight. Evaluation and
export then run on a whole copy that the first process keeps.
"""

import contextlib
import copy
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from speech_core.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)


def _state() -> Any:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator reads it later


def process_share() -> tuple[int, int]:
    """Number of this process and how many there are, as `accelerate` started them."""
    state = _state()
    return int(state.process_index), int(state.num_processes)


def process_device() -> str:
    """Where this process computes: cpu, cuda:1, ..., as the loop will."""
    return str(_state().device)


@contextlib.contextmanager
def first_process_first() -> Iterator[bool]:
    """The block runs in the first process, then in the others; gives whether this is the first.

    For files that one process writes and all read.
    """
    state = _state()
    with state.main_process_first():
        yield bool(state.is_main_process)


def is_sharded(accelerator: "Accelerator") -> bool:
    """Whether each process holds a part of every weight. Raises ConfigError for FSDP of version 1."""
    from accelerate.utils import DistributedType

    if accelerator.distributed_type != DistributedType.FSDP:
        return False
    if not accelerator.is_fsdp2:
        raise ConfigError("FSDP version 1 is not supported: set fsdp_version to 2 in `accelerate config`")
    return True


def begin_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Give every parameter its state, also one that no step has used: sharded checkpoints miss it else."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0  # no change, weight decay included
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
        for parameter in group["params"]:
            optimizer.state[parameter]["step"].zero_()


def own_part(value: Tensor) -> Tensor:
    """The part of a tensor this process holds, sharing its memory; of an unsharded one all of it."""
    from torch.distributed.tensor import DTensor

    return value.to_local() if isinstance(value, DTensor) else value


def whole_value(value: Tensor) -> float:
    """A single number that may be spread over processes; all must ask."""
    from torch.distributed.tensor import DTensor

    return float(value.full_tensor() if isinstance(value, DTensor) else value)


def whole_copy(model: nn.Module) -> nn.Module:
    """A copy with weights of its own, to be filled from gathered ones.

    What is not a part of the module tree (a frozen Llama, a tokenizer) is shared. A compiled function put in
    place of a method is left out, since it belongs to the model it was compiled for.
    """
    internal = set(vars(nn.Module()))
    shared: dict[int, Any] = {}
    for module in model.modules():
        for name, value in vars(module).items():
            if name not in internal:
                shared[id(value)] = value
    copied = copy.deepcopy(model, shared)
    for module in copied.modules():
        for name in [name for name in vars(module) if name not in internal and hasattr(type(module), name)]:
            delattr(module, name)
    return copied


def choose_precision(wanted: str, model: nn.Module) -> str:
    """fp32 or bf16; `auto` times a matrix product in both on the model's device and takes the faster."""
    if wanted != "auto":
        return wanted
    device = next(model.parameters()).device
    seconds = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(1024, 1024, device=device).to(dtype) for _ in range(2))
        times = []
        for _ in range(8):
            start = time.perf_counter()
            float((left @ right).sum())
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    faster = min(seconds, key=lambda name: seconds[name])
    logger.info(
        "precision %s (matrix product: %s)", faster, {k: f"{v * 1e3:.1f} ms" for k, v in seconds.items()}
    )
    return faster
