"""The letter-to-sound recipe learns a regular language from the command line; families stay together."""

import json

import pytest
import torch

from recipes import train_pronunciation
from recipes.train_pronunciation import (
    Entry,
    Letters,
    family,
    lay_out,
    read_entries,
    split_of,
)
from speech_core.errors import InputError
from tests.recipes.test_letter_alignment import words
from tts_frontend.pronunciation_letters import LetterReader, LettersConfig, letter_ids

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.mark.parametrize(
    "forms",
    [
        ["walk", "walks", "walked", "walking", "walker's"],
        ["nation", "national", "nationalize", "nationally"],
        ["happy", "unhappy", "happily", "happiness"],
        ["stopper", "stopping", "stop"],
    ],
)
def test_forms_of_a_word_are_one_family(forms):
    assert len({split_of(form) for form in forms}) == 1 or len({family(form) for form in forms}) < len(forms)


def test_splits_have_their_shares():
    splits = [split_of(f"word{number}") for number in range(5000)]
    assert 0.01 < splits.count("test") / 5000 < 0.03
    assert 0.01 < splits.count("dev") / 5000 < 0.03


CONFIG = LettersConfig(("", "B", "AE1", "T", "K S"), window=2, history=2, d_model=8)


def test_windows_and_histories_stay_inside_their_word():
    aligned = [
        (Entry("tax", ("T", "AE1", "K", "S"), "gold"), (("T",), ("AE1",), ("K", "S"))),
        (Entry("bat", ("B", "AE1", "T"), "cmu"), (("B",), ("AE1",), ("T",))),
    ]
    letters = Letters(lay_out(aligned, CONFIG), CONFIG)
    batch = letters.take(torch.arange(len(letters)))
    rows = {
        (tuple(window), tuple(history)): (state, style, target)
        for window, history, state, style, target in zip(
            batch.inputs.letters.tolist(),
            batch.inputs.history.tolist(),
            batch.inputs.state.tolist(),
            batch.inputs.style.tolist(),
            batch.targets.tolist(),
            strict=True,
        )
    }
    t, a, x, b = letter_ids("taxb")
    assert rows == {
        ((0, 0, t, a, x), (0, 0)): (0, 0, 3),
        ((0, t, a, x, 0), (0, 4)): (0, 0, 2),
        ((t, a, x, 0, 0), (4, 3)): (3, 0, 4),
        ((0, 0, b, a, t), (0, 0)): (0, 1, 1),
        ((0, b, a, t, 0), (0, 2)): (0, 1, 2),
        ((b, a, t, 0, 0), (2, 3)): (3, 1, 3),
    }


def test_entries_that_letters_cannot_tell_are_left_out(tmp_path):
    path = tmp_path / "entries.tsv"
    path.write_text(
        "bat\tB AE1 T\tgold\nA-side\tEY1 S AY2 D\tgold\n401k\tF AO1 R\tcmu\no'neil\tOW0 N IY1 L\tcmu\n"
    )
    assert [entry.word for entry in read_entries(path)] == ["bat", "o'neil"]
    with pytest.raises(InputError, match="prepare_lexicon"):
        read_entries(tmp_path / "none.tsv")


@pytest.mark.slow
def test_a_regular_language_is_learnt(tmp_path):
    lines = {f"{word}\t{' '.join(phones)}\tgold" for word, phones in words(700) if phones}
    (tmp_path / "entries.tsv").write_text("\n".join(sorted(lines)))
    arguments = [
        "--entries",
        str(tmp_path / "entries.tsv"),
        "--run-dir",
        str(tmp_path / "run"),
        "--preset",
        "tiny",
    ]
    arguments += [
        "--learning-rate",
        "0.01",
        "--warmup-steps",
        "5",
        "--batch-letters",
        "256",
        "--precision",
        "fp32",
    ]
    train_pronunciation.main([*arguments, "--max-steps", "60"])
    train_pronunciation.main([*arguments, "--max-steps", "120"])  # goes on
    lines_of_run = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    evaluation = [line for line in lines_of_run if line["kind"] == "evaluation"][-1]
    assert evaluation["step"] == 120
    assert evaluation["phone_errors_without_stress"] < 0.05
    reader = LetterReader.load(tmp_path / "run" / "export" / "letters")
    assert [phone[:2] for phone in reader.read("baxot", "gold")] == ["B", "AE", "K", "S", "OW", "T"]
