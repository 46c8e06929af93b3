"""The documents say what the report says, and the report says what the evaluations found."""

import json
import shutil
from pathlib import Path

import pytest

from llama_speech.bundle import read_bundle
from recipes import report
from recipes.report import ReportConfig, differing, evaluation_of, filled, main, read_summary, shown_tables

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("llama-speech", "command:good")


def score(rate):
    return {"rate": rate, "low": rate / 2, "high": 2 * rate, "reference_units": 7, "signature": "wer|norm:x"}


def asr_result(rate=0.25):
    """What `evaluate asr` writes, as far as the table reads it."""
    systems = [{"name": name, "scores": {"wer/whisper-en": score(rate)}} for name in SYSTEMS]
    one = {"name": "tiny", "items": [{}, {}], "dropped": {"no reference text": 1}, "systems": systems}
    pooled = {name: score(rate) for name in SYSTEMS}
    return {"created": "2026-01-02T03:04:05+00:00", "sets": [one], "pooled": pooled}


@pytest.fixture
def tree(tmp_path):
    """A tree with a document and a stored evaluation of the shipped weights."""
    root = tmp_path / "tree"
    (root / "docs").mkdir(parents=True)
    block = "<!-- report: asr{} -->\nold\n<!-- end of report: asr -->"
    (root / "README.md").write_text(f"# Read\n\nBefore.\n\n{block.format('')}\n\nAfter.\n")
    (root / "RESULTS.md").write_text(f"{block.format(', in full')}\n")
    config = ReportConfig(out=str(tmp_path / "out"), root=str(root))
    folder = tmp_path / "out" / "asr"
    folder.mkdir(parents=True)
    (folder / "asr.json").write_text(json.dumps(asr_result()))
    evaluation = evaluation_of("asr", config)
    weights = report.weights_digest(read_bundle(None), evaluation.components)
    made = {"arguments": list(evaluation.arguments), "weights": weights, "commit": "abc1234567"}
    (folder / "made.json").write_text(json.dumps(made))
    return root, ["--out", str(tmp_path / "out"), "--root", str(root)]


def test_documents_and_summary_of_this_tree_agree():
    assert shown_tables(ROOT), "README.md has no place for a table of the report"
    assert differing(ROOT) == []


def test_tables_are_filled_from_stored_evaluations(tree):
    root, options = tree
    assert main(options) == 0
    text = (root / "README.md").read_text()
    assert "| tiny | 2 | 7 | 25.0 [12.5, 50.0] | 25.0 [12.5, 50.0] |" in text
    assert "| all | 2 | 7 |" in text
    assert "Made 2026-01-02 at commit abc1234567" in text
    assert "Left out: 1 (no reference text)." in text
    assert text.startswith("# Read\n\nBefore.\n\n")
    assert text.endswith("\n\nAfter.\n")
    assert "old" not in text
    assert "Signature" not in text
    full = (root / "RESULTS.md").read_text()
    assert "Signature: `wer|norm:x`." in full
    assert "llama-speech evaluate asr --threads 1 --mode llama" in full
    assert main([*options, "--check"]) == 0
    before = text
    assert main(options) == 0  # the same again
    assert (root / "README.md").read_text() == before


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md"])
def test_a_changed_figure_is_seen(tree, name, caplog):
    root, options = tree
    assert main(options) == 0
    path = root / name
    path.write_text(path.read_text().replace("25.0 [", "24.0 [", 1))
    assert main([*options, "--check"]) == 1
    assert f"{name} differ from" in caplog.text


def test_a_table_without_figures_is_said(tree, caplog):
    root, options = tree
    with pytest.raises(Exception, match="has no table asr"):
        filled((root / "README.md").read_text(), {})
    assert main([*options, "--check"]) == 1
    assert "make report" in caplog.text


@pytest.mark.parametrize("key", ["weights", "arguments"])
def test_other_weights_or_options_are_evaluated_again(tree, key, caplog, monkeypatch, tmp_path):
    root, options = tree
    monkeypatch.delenv("LLAMA_SPEECH_DATA", raising=False)
    path = tmp_path / "out" / "asr" / "made.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps({**made, key: "other"}))
    assert main(options) == 1  # there is no data to do it with
    assert "set LLAMA_SPEECH_DATA" in caplog.text
    assert not read_summary(root)


@pytest.mark.slow
def test_a_missing_evaluation_is_run(tmp_path, monkeypatch):
    """A real run of `evaluate asr`, our model left out: what the recipe starts, and what it keeps of it."""
    import numpy as np

    from speech_core.audio import write_wav

    data, root = tmp_path / "data", tmp_path / "tree"
    (data / "tiny").mkdir(parents=True)
    write_wav(data / "tiny" / "a.wav", np.full(1600, 0.01, dtype=np.float32), 16000)
    (data / "tiny" / "dev.jsonl").write_text('{"audio": "a.wav", "text": "Hello world", "language": "en"}\n')
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text("<!-- report: asr -->\n<!-- end of report: asr -->\n")
    arguments = ("asr", "--no-model", "--peer", "command:sh -c 'echo hello' {}", "--data", "tiny")
    monkeypatch.setattr(report, "evaluation_of", lambda name, config: report.Evaluation(arguments))
    options = ["--out", str(tmp_path / "out"), "--root", str(root), "--data", str(data)]
    assert main([*options, "--cache-dir", str(tmp_path / "cache")]) == 0
    assert "| tiny | 1 | 2 | 50.0 [" in (root / "README.md").read_text()
    entry = read_summary(root)["asr"]
    assert entry["commit"] == report.commit_of(ROOT)
    assert str(tmp_path) not in json.dumps(entry)
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(data)
    assert main(options) == 0  # stored: no data is needed


def test_options_that_a_table_needs():
    with pytest.raises(report.ConfigError, match="--questions"):
        evaluation_of("dialogue", ReportConfig())
    limited = evaluation_of("translation", ReportConfig(limit=3, peers=()))
    assert limited.arguments[limited.arguments.index("--limit") + 1] == "3"
    assert evaluation_of("speech", ReportConfig()).components == report.SPEAKING
