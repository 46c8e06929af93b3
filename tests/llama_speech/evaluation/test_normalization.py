"""The evaluation of text normalization: pairs, systems, classes, intervals, tables and the command."""

import gzip
import json

import pytest

from llama_speech.cli.main import main
from llama_speech.evaluation.normalization import (
    SetScore,
    Share,
    lost,
    read_all,
    read_pairs,
    score_ours,
    score_outputs,
    to_markdown,
)
from llama_speech.evaluation.normalization_scores import Pair
from llama_speech.normalization import RULES_ALONE
from speech_core.errors import InputError
from tts_frontend.config import NormalizerConfig
from tts_frontend.languages import load_language
from tts_frontend.normalizer_rules import Spoken

PAIRS = [
    Pair("In 1984 it cost $5.", ("In nineteen eighty four it cost five dollars.",)),
    Pair("See chapter IV.", ("See chapter five.",)),
    Pair("No change.", ("No change.",)),
]
CONFIG = NormalizerConfig(lookahead_tokens=3)


def test_pairs_are_read_plain_and_packed_with_rejected_forms_and_classes(tmp_path):
    (tmp_path / "engconf").mkdir()
    (tmp_path / "nemo_cases").mkdir()
    conf, cases = tmp_path / "engconf" / "dev.tsv", tmp_path / "nemo_cases" / "en.tsv.gz"
    conf.write_text("2/3\ttwo thirds ||| two over three\tFebruary third\n")
    cases.write_bytes(gzip.compress(b"5 km\tfive kilometers\tmeasure\n"))
    assert read_pairs(conf).pairs == [Pair("2/3", ("two thirds", "two over three"), ("February third",))]
    assert read_pairs(cases).pairs == [Pair("5 km", ("five kilometers",), (), "measure")]
    (tmp_path / "bad.tsv").write_text("a\tb\nonly written\n")
    with pytest.raises(InputError, match="line 2"):
        read_pairs(tmp_path / "bad.tsv")
    with pytest.raises(InputError, match="cannot be read"):
        read_pairs(tmp_path / "none.tsv")


def test_lines_that_are_no_pair_are_counted(tmp_path):
    (tmp_path / "some.tsv").write_text("5\tfive\n\n6\tsix\n \n7\t\n\teight\n")
    read = read_pairs(tmp_path / "some.tsv")
    assert [pair.written for pair in read.pairs] == ["5", "6"]
    assert read.dropped == {"blank lines": 2, "pairs with an empty side": 2}
    result = SetScore("some", 2, [score_outputs("peer", read.pairs, ["five", "6"])], read.dropped)
    said = "some, 2 pairs; left out: 2 blank lines; left out: 2 pairs with an empty side"
    assert said in to_markdown([result])
    (tmp_path / "empty.tsv").write_text("\n")
    with pytest.raises(InputError, match="holds no pair"):
        read_pairs(tmp_path / "empty.tsv")


def test_classes_and_tokens_are_counted():
    score = score_ours("rules", PAIRS, CONFIG, RULES_ALONE, by_class=True)
    assert (score.counts["L3"].right, score.counts["L3"].spoiled) == (2, 0)
    assert score.errors == [("See chapter IV.", "See chapter four.")]
    assert score.unrecoverable == 0
    assert score.classes["date"] == score.tokens["date"] == Share(1, 1)
    assert score.classes["money"] == Share(1, 1)
    assert score.words_per_s > 100


def test_a_lossy_reading_is_counted():
    pairs = [Pair("at 5 km", ("at five kilometers",))]
    good, _ = read_all(pairs, CONFIG, RULES_ALONE)
    english = load_language("en")
    assert lost(pairs, good, english) == 0
    assert lost(pairs, [[Spoken("six kilometers", 3, 7, "measure")]], english) == 1
    assert lost(pairs, [[Spoken("five", 3, 7, "measure")]], english) == 1


def test_other_systems_are_scored_by_what_they_said():
    said = ["In nineteen eighty four it cost five dollars.", "See chapter IV.", "changed"]
    score = score_outputs("peer", PAIRS, said)
    assert (score.counts["L3"].right, score.counts["L3"].spoiled) == (1, 1)
    labelled = [Pair(p.written, p.spoken, label="x") for p in PAIRS]
    assert score_outputs("peer", labelled, said).classes == {"x": Share(1, 3)}
    with pytest.raises(InputError, match="2 lines for 3"):
        score_outputs("peer", PAIRS, said[:2])


def test_intervals_are_wilsons():
    low, high = Share(95, 100).interval()  # reference: 88.82 and 97.85
    assert (round(low, 2), round(high, 2)) == (88.82, 97.85)
    assert Share(0, 0).interval() == (0, 100)


def test_the_command_prints_tables_and_writes_both_forms(tmp_path, capsys):
    pairs, peer, out = tmp_path / "dev.tsv", tmp_path / "peer.txt", tmp_path / "out"
    pairs.write_text("".join(f"{p.written}\t{p.spoken[0]}\n" for p in PAIRS))
    peer.write_text("a\nb\nNo change.\n")
    argv = ["evaluate", "normalization", "--data", f"mine={pairs}", "--peer", f"other:mine={peer}"]
    argv += ["--choice", "rules", "--right-context", "0", "3", "--classes", "-o", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert (out / "normalization.md").read_text() == shown
    assert "90.7" in shown
    systems = json.loads((out / "normalization.json").read_text())[0]["systems"]
    assert [s["name"] for s in systems] == ["rules, 0", "rules, 3", "other"]
    assert systems[2]["counts"]["L3"]["right"] == 1
    scores = json.loads((out / "scores.json").read_text())
    assert (scores[2]["data"], scores[2]["system"], scores[2]["rate"]) == ("mine", "other", 0.3333)
    assert scores[2]["low"] < 0.3333 < scores[2]["high"]


def test_wrong_use_is_one_line(capsys):
    assert main(["evaluate", "normalization"]) == 2
    assert "--data" in capsys.readouterr().err


def test_tables_have_a_row_for_each_system():
    text = to_markdown([SetScore("s", 3, [score_outputs("a|b", PAIRS, ["", "", ""])])])
    assert "a\\|b" in text
