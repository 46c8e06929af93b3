"""The demo: its table of samples is whole, and with the shipped weights it runs as `make demo` runs it."""

import subprocess
import sys

import pytest

from recipes.demo import SAMPLES, read_transcripts
from speech_core.errors import InputError


def test_every_sample_has_a_row_and_the_stated_length():
    from speech_core.audio import load_audio

    rows = read_transcripts(SAMPLES)
    assert {row["file"] for row in rows} == {path.name for path in SAMPLES.glob("*.flac")}
    for row in rows:
        assert load_audio(SAMPLES / row["file"]).size == round(float(row["duration_s"]) * 16000)
        assert row["text"] == row["text"].lower().strip()


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="is missing: run from a checkout"):
        read_transcripts(tmp_path)


@pytest.mark.bundle
def test_the_demo_prints_each_clip():
    command = [sys.executable, "-m", "recipes.demo"]
    done = subprocess.run(command, cwd=SAMPLES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for row in read_transcripts(SAMPLES):
        assert row["file"] in done.stdout
        assert row["text"] in done.stdout
    assert done.stdout.count("heard: ") == 3
    assert "real-time factor" in done.stdout
