"""Held-out words by kind, and their figures."""

import pytest

from recipes import score_pronunciation
from recipes.score_pronunciation import HeldOutWord, score_with_interval
from recipes.train_pronunciation import Entry, split_of
from speech_core.checkpoint import read_json, save_component
from tests.pronunciation_parts import small_letters

HELD_OUT = [
    word
    for word in (f"{a}{b}o{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdklmnt")
    if split_of(word) == "test"
]


def entries() -> list[Entry]:
    gold, cmu, silver, both = HELD_OUT[:4]
    found = [Entry(gold, ("T",), "gold"), Entry(cmu, ("T",), "cmu"), Entry(silver, ("T",), "silver")]
    return [*found, Entry(both, ("K",), "gold"), Entry(both, ("G",), "cmu"), Entry("seen", ("S",), "gold")]


def test_words_are_sorted_by_their_dictionary():
    sets = score_pronunciation.held_out_sets(entries(), {HELD_OUT[3]: [("G",), ("D",)]})
    assert {name: {word.word for word in words} for name, words in sets.items()} == {
        "dictionary": {HELD_OUT[0], HELD_OUT[3]},
        "names": {HELD_OUT[1]},
        "rare": {HELD_OUT[2]},
    }
    both = next(word for word in sets["dictionary"] if word.word == HELD_OUT[3])
    assert set(both.readings) == {("K",), ("G",), ("D",)}


def test_intervals_hold_the_figures():
    words = [HeldOutWord("a", (("T", "AA1"),))] * 30 + [HeldOutWord("b", (("K",),))] * 10
    found = [("T", "AA0")] * 15 + [("T", "AA1")] * 15 + [("K",)] * 10
    figures = score_with_interval(words, found, seed=0)
    assert figures["word_accuracy"][0] == pytest.approx(25 / 40)
    assert figures["word_accuracy_without_stress"] == (1.0, 1.0, 1.0)
    assert figures["phone_errors"][0] == pytest.approx(15 / 70)
    for value, low, high in figures.values():
        assert low <= value <= high


def test_from_the_command_line(tmp_path, capsys):
    model = small_letters()
    save_component(tmp_path / "letters", model, model.config, {})
    lines = [f"{entry.word}\t{' '.join(entry.phones)}\t{entry.source}" for entry in entries()]
    (tmp_path / "entries.tsv").write_text("\n".join(lines))
    (tmp_path / "cmudict.dict").write_text(f"{HELD_OUT[1]} T\n")
    arguments = ["--entries", str(tmp_path / "entries.tsv"), "--cmudict", str(tmp_path / "cmudict.dict")]
    arguments += ["--letters", str(tmp_path / "letters"), "--out", str(tmp_path / "scores.json")]
    score_pronunciation.main(arguments)
    assert capsys.readouterr().out.count("llama-speech, greedy") == 3
    assert {score["metric"] for score in read_json(tmp_path / "scores.json")} >= {
        "phone_errors",
        "word_accuracy",
    }
