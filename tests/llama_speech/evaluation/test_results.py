"""Files of a result: three of them, whole, the JSON strict."""

import json
from dataclasses import asdict

import pytest

from llama_speech.evaluation.asr import AsrConfig, evaluate_asr
from llama_speech.evaluation.datasets import read_set
from llama_speech.evaluation.report import to_markdown
from llama_speech.evaluation.results import write_results
from llama_speech.evaluation.scores import BootstrapConfig


def test_json_markdown_and_page_are_written(small_set, good, bad, tmp_path):
    config = AsrConfig(tmp_path / "cache", bootstrap=BootstrapConfig(resamples=50))
    result = evaluate_asr([read_set(small_set)], [good, bad], config)
    paths = write_results(tmp_path / "out" / "deep", "asr", asdict(result), to_markdown(result))
    assert [path.name for path in paths] == ["asr.json", "asr.md", "asr.html"]
    assert len(list(paths[0].parent.iterdir())) == 3
    assert json.loads(paths[0].read_text(encoding="utf-8")) == asdict(result)
    assert paths[1].read_text(encoding="utf-8") == to_markdown(result)
    page = paths[2].read_text(encoding="utf-8")
    assert page.count("<svg") == 3  # rates, by length, speed
    assert "1 left out" in page
    assert "wer|norm:whisper-en|" in page
    assert "<del>uh" not in page
    assert "<ins>uh noise</ins>" in page  # the first system's worst item


def test_what_json_cannot_say_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path / "out", "asr", {"rate": float("nan")}, "# x\n")
    assert not (tmp_path / "out").exists()
