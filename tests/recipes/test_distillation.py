"""The teacher's head: its loss counts known states alone, and it learns what can be foreseen."""

import pytest
import torch

from recipes.losses.distillation import TeacherHead
from speech_core.errors import ConfigError


def test_the_loss_is_the_mean_square_over_known_states():
    torch.manual_seed(0)
    head = TeacherHead(6, 3, stack=8)  # two states for each encoding
    encodings, wanted = torch.randn(2, 4, 6), torch.randn(2, 7, 3)
    wanted[0, 5:] = torch.nan  # item 0: two whole encodings; the third has one state only
    wanted[1] = torch.nan
    expected = (head.project(encodings[0, :2]) - wanted[0, :4].reshape(2, 6)).square().mean()
    torch.testing.assert_close(head(encodings, wanted), expected)


def test_unknown_states_give_zero_and_no_gradient():
    head = TeacherHead(6, 3, stack=4)
    encodings = torch.randn(2, 5, 6, requires_grad=True)
    for count in (0, 5):
        loss = head(encodings, torch.full((2, count, 3), torch.nan))
        assert float(loss.detach()) == 0.0
    loss.backward()
    assert encodings.grad is None or not encodings.grad.any()


def test_a_linear_teacher_is_learned():
    torch.manual_seed(0)
    head, encodings = TeacherHead(6, 3, stack=8), torch.randn(8, 10, 6)
    wanted = (encodings @ torch.randn(6, 6) / 6**0.5).reshape(8, 20, 3)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    first = float(head(encodings, wanted).detach())
    for _ in range(150):
        optimizer.zero_grad()
        loss = head(encodings, wanted)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01 * first


def test_a_linear_teacher_is_solved_whatever_is_unknown():
    torch.manual_seed(0)
    head, weight, bias = TeacherHead(6, 3, stack=8), torch.randn(6, 6), torch.randn(6)
    batches = []
    for count in (7, 0, 12):
        encodings = torch.randn(4, 10, 6) + 2.0
        wanted = (encodings @ weight + bias).reshape(4, 20, 3)
        wanted[:, count:] = torch.nan
        batches.append((encodings, wanted))
    head.solve(batches)
    torch.testing.assert_close(head.project.weight, weight.T, atol=0.02, rtol=0.02)
    assert all(float(head(*batch).detach()) < 1e-3 for batch in batches)


def test_without_known_states_a_head_stays_as_it_is():
    head = TeacherHead(6, 3, stack=4)
    before = head.project.weight.detach().clone()
    head.solve([(torch.randn(2, 5, 6), torch.full((2, 5, 3), torch.nan))])
    assert torch.equal(head.project.weight, before)


def test_a_stack_that_holds_no_whole_states_is_an_error():
    with pytest.raises(ConfigError, match="stack is 6"):
        TeacherHead(6, 3, stack=6)
