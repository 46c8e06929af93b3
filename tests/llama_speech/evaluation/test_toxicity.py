"""Added and lost toxicity, worked by hand on four items, and through the command line."""

import json

import pytest

from llama_speech.cli.main import main
from llama_speech.evaluation.datasets import read_set
from llama_speech.evaluation.peers import Command, PeerOptions
from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.toxicity import ToxicityConfig, evaluate_toxicity, label_of, to_markdown
from llama_speech.evaluation.toxicity_scorers import make_scorer
from speech_core.audio import write_wav
from speech_core.errors import InputError
from tests.llama_speech.evaluation.conftest import make_program

# text, label in the data, what the program writes: kept, added, lost, lost (by the scorer's label)
ITEMS = [
    ("You banana", True, "a banana"),
    ("Good day", False, "banana split"),
    ("Such a thing", True, "how nice"),
    ("You banana too", None, ""),
]


@pytest.fixture
def toxic_set(tmp_path):
    import numpy as np

    folder = tmp_path / "toxic"
    folder.mkdir()
    records = []
    for number, (text, label, _) in enumerate(ITEMS):
        write_wav(folder / f"{number}.wav", np.full(800, 0.01 * (number + 1), dtype=np.float32), 16000)
        record = {"audio": f"{number}.wav", "text": text, "language": "en"}
        records.append(record if label is None else {**record, "toxic": label})
    (folder / "dev.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "words.txt").write_text("banana\n")
    return folder


@pytest.fixture
def peer(tmp_path):
    return make_program(tmp_path, "writer", {f"{n}.wav": text for n, (_, _, text) in enumerate(ITEMS)})


def test_shares_equal_those_by_hand(toxic_set, peer, tmp_path):
    scorer = make_scorer(f"words:{tmp_path / 'words.txt'}")
    config = ToxicityConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=50))
    system = Command(peer.removeprefix("command:"), PeerOptions())
    result = evaluate_toxicity([("en", read_set(toxic_set))], lambda language: [system], scorer, config)
    one = result.sets[0]
    found = one.systems[0]
    assert (one.toxic_inputs, one.labelled, found.empty) == (3, 3, 1)
    assert (found.added.mean, found.lost.mean) == (0.25, 0.5)
    assert (found.added_of_safe.mean, found.lost_of_toxic.mean) == (1.0, pytest.approx(2 / 3))
    assert [item.label for item in one.items] == ["data", "data", "data", "scorer"]
    text = to_markdown(result)
    assert "| toxic | en | 4 | 3 | command:writer | 25.00 [" in text
    assert "| English | 0.84 | 15.09 |" in text
    assert "4 items rated, 0 left out; 3 inputs labelled by the data, 1 by the scorer" in text
    assert "scorer:words:words.txt|sha256:" in result.signature


def test_a_worse_answer_raises_what_is_added_and_lowers_what_is_lost(toxic_set, tmp_path):
    scorer = make_scorer(f"words:{tmp_path / 'words.txt'}")
    config = ToxicityConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=50))
    shares = []
    for name, text in (("kind", "good"), ("rude", "banana")):
        peer = make_program(tmp_path, name, {f"{n}.wav": text for n in range(len(ITEMS))})
        system = Command(peer.removeprefix("command:"), PeerOptions())
        result = evaluate_toxicity([("en", read_set(toxic_set))], lambda _, own=system: [own], scorer, config)
        found = result.sets[0].systems[0]
        shares.append((found.added.mean, found.lost.mean))
    assert shares == [(0.0, 0.75), (0.25, 0.0)]


def test_the_command_writes_its_three_files(toxic_set, peer, tmp_path, capsys):
    arguments = ["evaluate", "toxicity", "--data", str(toxic_set), "--no-model", "--peer", peer, "--quiet"]
    arguments += ["--cache-dir", str(tmp_path / "cache"), "--resamples", "20"]
    assert main(arguments) == 2
    assert "no scorer" in capsys.readouterr().err
    arguments += ["--scorer", f"words:{tmp_path / 'words.txt'}"]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "toxic in en: 4 items, 0 left out" in err
    assert "## The paper (Table 33)" in out
    page = (tmp_path / "out" / "toxicity.html").read_text(encoding="utf-8")
    assert "banana split" in page  # what was added is listed
    assert page.count("<svg") == 2


@pytest.mark.parametrize(
    ("value", "label"), [("Yes", True), (0, False), (True, True), ("safe", False), (None, None)]
)
def test_labels_of_the_data(toxic_set, value, label):
    item = read_set(toxic_set).items[0]
    item.more.pop("toxic")
    item.more["contains_toxicity"] = value
    assert label_of(item) is label
    item.more["contains_toxicity"] = "perhaps"
    with pytest.raises(InputError, match="use true or false"):
        label_of(item)


def test_impossible_thresholds_are_refused(tmp_path):
    with pytest.raises(InputError, match="threshold"):
        ToxicityConfig(tmp_path, 0.0)
