"""The clips of samples/: the table is whole, and the shipped model hears them within the stated error."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
MAX_WORD_ERROR_RATE = 0.35  # stated in README; of the shipped weights, all three clips together


def transcripts() -> dict[str, dict[str, str]]:
    """Rows of transcripts.tsv (file, duration_s, speaker, text) by file name."""
    with (SAMPLES / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}


def test_every_clip_has_a_row_with_its_length():
    from speech_core.audio import load_audio

    rows = transcripts()
    assert set(rows) == {path.name for path in SAMPLES.glob("*.flac")}
    for name, row in rows.items():
        assert load_audio(SAMPLES / name).size == round(float(row["duration_s"]) * 16000)
        assert re.fullmatch(r"[a-z' ]+", row["text"])


@pytest.mark.bundle
def test_the_demo_hears_the_clips():
    """`llama-speech demo` prints name, text, language and length of each clip, and hears it well enough."""
    from llama_speech.evaluation.scores import count_edits, error_rate, normalize_text

    done = subprocess.run(
        [sys.executable, "-m", "llama_speech", "demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    clips = re.findall(
        r"^(\S+\.flac): en, ([\d.]+) s, real-time factor [\d.]+\n  heard: (.*)$", done.stdout, re.M
    )
    rows = transcripts()
    assert {name for name, _, _ in clips} == set(rows)
    for name, duration_s, _ in clips:
        assert float(duration_s) == pytest.approx(float(rows[name]["duration_s"]), abs=0.06)
    spoken = [normalize_text(rows[name]["text"]) for name, _, _ in clips]
    heard = [normalize_text(text) for _, _, text in clips]
    rate = error_rate(count_edits(spoken, heard))
    assert rate is not None
    assert rate <= MAX_WORD_ERROR_RATE, dict(zip(spoken, heard, strict=True))
