"""Our model as systems of the evaluation, a tiny one, through the command line."""

import json
import shutil
from pathlib import Path

import pytest

from llama_speech.cli.main import main

SAMPLES = sorted((Path(__file__).resolve().parents[3] / "samples").glob("*.flac"))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "spoken"
    folder.mkdir()
    records = []
    for number, path in enumerate((SAMPLES[0], SAMPLES[2])):
        shutil.copy(path, folder / path.name)
        record = {"audio": path.name, "text": "What is it?", "language": ("en", "es")[number]}
        records.append({**record, "translation": {"de": "Was ist es?"}, "answers": ["nothing"]})
    (folder / "dev.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture
def evaluate(tiny_stack, tmp_path, capsys):
    def run(*arguments):
        options = ["--cache-dir", str(tmp_path / "cache"), "--resamples", "20", "--json", "--batch-size", "2"]
        code = main(["evaluate", *arguments, *options, *tiny_stack.options])
        output, errors = capsys.readouterr()
        return code, json.loads(output) if output else None, errors

    return run


def test_translation_by_every_method(evaluate, data, tiny_model):
    methods = [word for method in ("direct", "cascade", "transcript") for word in ("--method", method)]
    code, result, errors = evaluate("translation", "--data", str(data), "--to", "de", *methods)
    assert code == 0
    assert [one["source"] for one in result["sets"]] == ["en", "es"]
    english = result["sets"][0]["items"][0]["hypotheses"]
    assert english["llama-speech:direct"] == tiny_model.translate(SAMPLES[0], "de").text
    assert english["llama-speech:cascade"] == tiny_model.translate(SAMPLES[0], "de", method="cascade").text
    assert english["llama-speech:transcript"] not in english["llama-speech:direct"]
    assert "spoken from en: 1 items, 1 left out; 1 language is not en" in errors


def test_dialogue_both_ways(evaluate, data, tiny_model):
    code, result, _ = evaluate("dialogue", "--data", str(data), "--max-tokens", "6")
    assert code == 0
    item = result["sets"][0]["items"][0]
    part = {"type": "input_audio", "input_audio": {"data": SAMPLES[0]}}
    for speech in ("transcript", "embeds"):
        told = tiny_model.chat([{"role": "user", "content": [part]}], speech=speech, max_tokens=6).answer()
        assert item["answers"][f"llama-speech:{speech}"].rstrip("\ufffd") == told.text.strip().rstrip(
            "\ufffd"
        )
    assert item["transcripts"]["llama-speech:transcript"] == tiny_model.transcribe(SAMPLES[0]).text


def test_two_runs_are_compared(evaluate, data, tmp_path, capsys):
    for name, limit in (("a", "4"), ("b", "6")):
        evaluate("dialogue", "--data", str(data), "--max-tokens", limit, "-o", str(tmp_path / name))
    runs = [str(tmp_path / name / "dialogue.json") for name in ("a", "b")]
    assert main(["evaluate", "compare", *runs, "--resamples", "20"]) == 0
    assert "| spoken | llama-speech:transcript |" in capsys.readouterr().out


@pytest.mark.parametrize("speech", ["transcript", "embeds"])
def test_toxicity_of_answers(evaluate, data, speech, tmp_path):
    (tmp_path / "words.txt").write_text("zebra\n")
    scorer = ["--scorer", f"words:{tmp_path / 'words.txt'}", "--speech", speech, "--max-tokens", "4"]
    code, result, _ = evaluate("toxicity", "--data", str(data), "-l", "en", *scorer)
    assert code == 0
    (system,) = result["sets"][0]["systems"]
    assert system["name"] == f"llama-speech:answer-{speech}"
    assert system["added"]["mean"] == 0.0
