"""Reports hold every item and score, and the tables say what the numbers say."""

import json
from dataclasses import asdict, replace

import pytest

from llama_speech.evaluation.asr import AsrConfig, evaluate_asr
from llama_speech.evaluation.datasets import read_set
from llama_speech.evaluation.no_speech import NoSpeechResult
from llama_speech.evaluation.report import (
    comparison_text,
    markdown_table,
    percent,
    to_markdown,
)
from llama_speech.evaluation.results import json_text
from llama_speech.evaluation.scores import BootstrapConfig, Comparison


@pytest.fixture
def result(small_set, good, bad, tmp_path):
    one, other = read_set(small_set), read_set(small_set, limit=2)
    other = replace(other, name="other")
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=100))
    found = evaluate_asr([one, other], [good, bad], config)
    found.no_speech.append(NoSpeechResult("silence", "command:good", 600.0, 2, "uh noise", None))
    found.no_speech.append(NoSpeechResult("silence", "command:bad", 600.0, 0, "", "SpeechError: no"))
    return found


def test_markdown_holds_rates_signatures_and_counts(result):
    text = to_markdown(result)
    assert "| small | 3 | 8 | 12.5 [" in text
    assert "| all items | 5 | 16 | 6.2 [" in text
    assert text.count("Signature: `wer|norm:whisper-en|") == 1
    assert "small: 3 items scored, 1 left out (1 language is not en)" in text
    assert "other: 2 items scored, 2 left out (1 over the limit of 2; 1 language is not en)" in text
    assert "| silence | 10 | 2 | failed |" in text
    assert "cat -> bat (1)" in text
    assert "| small | command:bad | 3 | 1 | 1 | 1 | 1 |" in text  # S, D, I, empty references, failed
    assert "p = " in text


def test_json_is_whole_and_strict(result):
    data = json.loads(
        json_text(asdict(result)), parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    assert [len(one["items"]) for one in data["sets"]] == [3, 2]
    item = data["sets"][0]["items"][0]
    assert item["reference"] == "The cat sat on the mat."
    assert item["hypotheses"]["command:bad"] == "a bat sat on mat"
    assert item["counts"]["command:bad"]["wer/whisper-en"] == [2, 1, 0, 6]
    assert data["sets"][0]["systems"][0]["scores"]["wer/whisper-en"]["rate"] == 0.125
    assert data["no_speech"][0]["words"] == 2


def test_small_forms():
    assert percent(None) == "-"
    assert percent(0.1234) == "12.3"
    assert comparison_text(Comparison(None, None, None, None, "")) == "-"
    assert comparison_text(Comparison(-0.1, -0.2, 0.05, 0.25, "")) == "-10.0 [-20.0, +5.0], p = 0.250"
    assert markdown_table(["a"], [["x|y"]]) == "| a |\n|---|\n| x\\|y |\n"
