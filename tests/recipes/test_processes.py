"""One process has everything; what is copied whole shares nothing that is trained."""

from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from recipes.loop.processes import (
    begin_optimizer,
    choose_precision,
    first_process_first,
    is_sharded,
    own_part,
    process_device,
    process_share,
    whole_copy,
    whole_value,
)


class WithTeacher(nn.Module):
    """A model with something large beside its tree, and a method replaced by a compiled one."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("mean", torch.zeros(3))
        self.teacher = [torch.ones(5)]
        self.encode = self.linear.forward  # type: ignore[method-assign]

    def encode(self, x):
        """What the linear layer gives."""
        return self.linear(x)


def test_one_process_has_the_whole_share():
    assert process_share() == (0, 1)
    assert not is_sharded(Accelerator(cpu=True))
    with first_process_first() as first:
        assert first


def test_a_process_computes_where_accelerate_does():
    assert process_device() == str(Accelerator().device)


def test_an_unsharded_tensor_is_its_own_part():
    value = torch.ones(3)
    assert own_part(value) is value
    assert whole_value(torch.tensor(2.5)) == 2.5


def test_beginning_an_optimizer_changes_nothing():
    torch.manual_seed(0)
    models = [nn.Linear(3, 2), nn.Linear(3, 2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.AdamW(model.parameters(), lr=0.1) for model in models]
    begin_optimizer(optimizers[1])
    assert len(optimizers[1].state) == 2
    for model, optimizer in zip(models, optimizers, strict=True):
        for _ in range(3):
            model(torch.ones(1, 3)).sum().backward()
            optimizer.step()
    torch.testing.assert_close(models[1].state_dict(), models[0].state_dict())


def test_a_whole_copy_has_weights_of_its_own_and_shares_the_rest():
    model = WithTeacher()
    copied: Any = whole_copy(model)
    with torch.no_grad():
        model.linear.weight.zero_()
    assert float(copied.linear.weight.detach().abs().sum()) > 0
    assert copied.mean is not model.mean
    assert copied.teacher is model.teacher
    x = torch.ones(1, 3)
    torch.testing.assert_close(copied.encode(x), copied.linear(x))  # not the method of the other model
    copied.load_state_dict(model.state_dict())
    torch.testing.assert_close(copied.encode(x), model.linear(x))


def test_auto_takes_one_of_both_precisions():
    assert choose_precision("auto", nn.Linear(2, 2)) in ("fp32", "bf16")
    assert choose_precision("bf16", nn.Linear(2, 2)) == "bf16"
