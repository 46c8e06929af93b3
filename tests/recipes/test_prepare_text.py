"""The recipe of labelled text: samples their labels explain, a report, the same data for the same seed."""

import gzip
import json

import pytest

from recipes import prepare_text
from recipes.data.text_templates import GROUPS
from tts_frontend.languages import load_language
from tts_frontend.text_tokens import cut

PAIRS = [
    ("In 1984 it cost $5.", "In nineteen eighty four it cost five dollars."),
    ("See chapter IV.", "See chapter four."),
    ("It is 5.", "It is six."),
]


@pytest.fixture
def data(tmp_path):
    for name in ("google_tn", "libritts_tn", "ljspeech_tn"):
        (tmp_path / name).mkdir()
        for part in ("train", "dev"):
            text = "".join(f"{written}\t{spoken}\tid\n" for written, spoken in PAIRS)
            (tmp_path / name / f"{part}.tsv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def _run(data, out, seed=0):
    prepare_text.main(["--data", str(data), "--out", str(out), "--generated", "120", "--seed", str(seed)])
    return [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]


def test_samples_cover_their_tokens_and_know_their_source(data, tmp_path):
    samples = _run(data, tmp_path / "out")
    assert len(samples) == 3 * 2 + 120
    rules = set(json.loads((tmp_path / "out" / "rules.json").read_text()))
    for sample in samples:
        assert sample["licence"]
        assert sample["share_alike"] == (sample["source"] == "google_tn")
        ends = [end for _, _, end in sample["labels"]]
        assert [start for _, start, _ in sample["labels"]] == [0, *ends[:-1]]
        assert ends[-1] == len(cut(sample["written"]))
        assert {rule for rule, _, _ in sample["labels"]} <= rules


def test_the_report_counts_what_could_not_be_explained(data, tmp_path):
    _run(data, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    found = report["inference"]["ljspeech_tn train"]
    assert (found["pairs"], found["solved"]) == (3, 2)
    assert "It is 5. => It is six. [5]" in found["examples"]
    assert report["train"]["sources"]["generated"] == 120


def test_the_same_seed_gives_the_same_samples(data, tmp_path):
    first = _run(data, tmp_path / "a", seed=3)
    assert first == _run(data, tmp_path / "b", seed=3)
    assert first != _run(data, tmp_path / "c", seed=4)


def test_every_reading_of_every_group_can_be_made():
    from random import Random

    draw, names = Random(1), load_language("en").inventory.by_name
    for group in GROUPS:
        for rule in group.readings:
            assert rule in names
            made = [prepare_text._sentence(group, rule, draw, []) for _ in range(40)]
            good = [sample for sample in made if sample is not None]
            assert len(good) >= 10, (group.name, rule)
            assert all(rule in {name for name, _, _ in sample.labels} for sample in good)
