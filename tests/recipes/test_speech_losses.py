"""CTC loss against torch's own, and labels of phones at known times."""

import pytest
import torch
from torch.nn import functional

from recipes.losses.speech_losses import NO_LABEL, PHONES, ctc_loss, ctc_loss_of_scores, phone_labels


def test_ctc_loss_is_the_sum_per_target_and_ignores_padding() -> None:
    torch.manual_seed(0)
    log_probs = torch.randn(2, 9, 5).log_softmax(-1)
    lengths, classes = torch.tensor([9, 6]), [[1, 2, 2], [4]]
    items = []
    for item, length, targets in zip(log_probs, lengths, classes, strict=True):
        sizes = (length[None], torch.tensor([len(targets)]))
        items.append(functional.ctc_loss(item[:length, None], torch.tensor(targets), *sizes, reduction="sum"))
    assert float(ctc_loss(log_probs, lengths, classes)) == pytest.approx(float(sum(items)) / 4, rel=1e-5)
    poisoned = log_probs.clone()
    poisoned[1, 6:] = 50.0
    torch.testing.assert_close(ctc_loss(poisoned, lengths, classes), ctc_loss(log_probs, lengths, classes))


def test_ctc_loss_of_a_text_too_long_for_its_sound_is_zero() -> None:
    log_probs = torch.randn(1, 3, 5).log_softmax(-1).requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([3]), [[1, 1, 1, 1]])
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert log_probs.grad is not None
    assert torch.isfinite(log_probs.grad).all()


def test_ctc_loss_of_scores_equals_that_of_log_probs_with_its_gradient() -> None:
    torch.manual_seed(0)
    lengths, classes = torch.tensor([12, 7, 5, 3]), [[3, 1, 3, 3, 9], [4], [], [1, 1, 1]]
    scores = torch.randn(4, 12, 11)
    whole, part = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    wanted = ctc_loss(whole.log_softmax(-1), lengths, classes)
    got = ctc_loss_of_scores(part, lengths, classes)
    wanted.backward()
    got.backward()
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(part.grad, whole.grad)


def test_ctc_loss_of_silence_is_the_blank_path() -> None:
    log_probs = torch.randn(1, 4, 3).log_softmax(-1)
    assert float(ctc_loss(log_probs, torch.tensor([4]), [[]])) == pytest.approx(
        -float(log_probs[0, :, 0].sum()), rel=1e-5
    )


def test_phone_labels_are_the_phones_in_the_middle_of_each_encoding() -> None:
    extras = [{"phones": [["pau", 0.1], ["hh", 0.19], ["ay", 0.45], ["pau", 0.5]]}, {}]
    labels = phone_labels(extras, torch.tensor([7, 3]), encoding_s=0.08)
    names = [PHONES[number] for number in labels[0].tolist()]
    assert names == ["pau", "hh", "ay", "ay", "ay", "ay", "pau"]  # middles 0.04, 0.12, 0.20, ... 0.52
    assert labels[1].tolist() == [NO_LABEL] * 7


def test_an_unknown_phone_has_no_label() -> None:
    labels = phone_labels([{"phones": [["zz", 1.0]]}], torch.tensor([2]), encoding_s=0.08)
    assert labels.tolist() == [[NO_LABEL, NO_LABEL]]
