"""Phones by dictionary, and a CTC head that counts known texts alone and learns."""

import gzip

import pytest
import torch

from recipes.losses.phone_ctc import PHONES, PhoneCtcHead, PhoneDictionary, PhoneFigures
from recipes.losses.speech_losses import ctc_loss
from speech_core.errors import InputError

LINES = ["cab K AE1 B", "cab(2) K AH0 B", "don't D OW1 N T", "bed B EH1 D # furniture", "", "# a comment"]


def names(classes: list[int] | None) -> list[str]:
    assert classes is not None
    return [PHONES[number - 1] for number in classes]


def test_words_become_phones_without_stress_by_their_first_pronunciation() -> None:
    dictionary = PhoneDictionary(LINES)
    assert names(dictionary("Cab, don’t 'bed'!")) == ["K", "AE", "B", "D", "OW", "N", "T", "B", "EH", "D"]
    assert dictionary("") == []
    assert dictionary("a cab") is None


def test_files_plain_and_gzipped_and_others(tmp_path) -> None:
    (tmp_path / "a.dict").write_text("\n".join(LINES))
    with gzip.open(tmp_path / "a.dict.gz", "wt") as out:
        out.write("\n".join(LINES))
    for name in ("a.dict", "a.dict.gz"):
        assert names(PhoneDictionary.read(tmp_path / name)("bed")) == ["B", "EH", "D"]
    (tmp_path / "no.dict").write_text("this is no dictionary\n")
    for name in ("no.dict", "missing.dict"):
        with pytest.raises(InputError, match="no pronouncing dictionary"):
            PhoneDictionary.read(tmp_path / name)


def test_the_loss_is_that_of_the_known_texts_at_twice_the_rate() -> None:
    torch.manual_seed(0)
    head, encodings = PhoneCtcHead(6, encoding_s=0.08), torch.randn(3, 5, 6)
    lengths = torch.tensor([5, 5, 3])
    scores = head.project(encodings[[0, 2]]).reshape(2, 10, 1 + len(PHONES)).log_softmax(-1)
    expected = ctc_loss(scores, torch.tensor([10, 6]), [[1, 2, 3], [4]])
    torch.testing.assert_close(head(encodings, lengths, [[1, 2, 3], None, [4]]), expected)


def test_nothing_known_is_no_loss_and_a_gradient_of_zero() -> None:
    head = PhoneCtcHead(6, encoding_s=0.04)
    loss = head(torch.randn(2, 4, 6), torch.tensor([4, 4]), [None, None])
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert head.project.weight.grad is not None
    assert not head.project.weight.grad.any()


def test_phones_are_learned() -> None:
    torch.manual_seed(0)
    head, encodings = PhoneCtcHead(8, encoding_s=0.04), torch.randn(2, 12, 8)
    classes: list[list[int] | None] = [[1, 2, 3], [3, 1]]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = head(encodings, torch.tensor([12, 12]), classes)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


def test_what_is_heard_is_the_best_of_each_output_once_and_ends_with_the_item() -> None:
    head = PhoneCtcHead(1 + len(PHONES), encoding_s=0.04)
    torch.nn.init.eye_(head.project.weight)
    torch.nn.init.zeros_(head.project.bias)
    best = torch.tensor([[0, 5, 5, 0, 5, 7, 7, 2], [3, 3, 0, 9, 9, 9, 9, 9]])
    encodings = torch.nn.functional.one_hot(best, 1 + len(PHONES)).float()
    assert head.greedy(encodings, torch.tensor([8, 3])) == [[5, 5, 7, 2], [3]]


def test_figures_count_known_texts_alone() -> None:
    torch.manual_seed(0)
    head, dictionary = PhoneCtcHead(32, encoding_s=0.04), PhoneDictionary(LINES)
    torch.nn.init.zeros_(head.project.weight)
    with torch.no_grad():
        head.project.bias[0] = 9.0  # hears nothing: every phone is left out
    assert figures_of(head, dictionary)["phone_error_rate"] == 100.0
    with torch.no_grad():
        head.project.bias[dictionary("bed")[0]] = 99.0  # type: ignore[index]  # B alone, which each text holds
    figures = figures_of(head, dictionary)
    assert figures["phone_error_rate"] == pytest.approx(100 * 4 / 6)
    assert figures["held_out_phone_loss"] > 9.0


def figures_of(head: PhoneCtcHead, dictionary: PhoneDictionary) -> dict[str, float]:
    """Of two batches; a batch without known phones does not count."""
    figures = PhoneFigures(head, dictionary)
    figures.add(torch.randn(3, 20, 32), torch.tensor([20, 15, 20]), ["cab", "bed", "what"])
    figures.add(torch.randn(1, 20, 32), torch.tensor([20]), ["what"])
    return figures.figures()
