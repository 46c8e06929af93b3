"""Times to the first sound by a reckoned clock, and memory over a long text."""

import itertools
import subprocess
import sys

import pytest

from recipes.benchmark_voice import (
    ALONE,
    TEXTS,
    ReadTask,
    SpeakTask,
    first_sound,
    long_text,
    measure_reading,
    measure_speaking,
    reading_row,
    speaking_row,
    voice_lines,
)
from tests.llama_speech.evaluation.test_synthesizers import WRITER


@pytest.fixture
def writer(tmp_path):
    """A peer that is a program."""
    (tmp_path / "writer.py").write_text(WRITER, encoding="utf-8")
    return f"command:{sys.executable} {tmp_path / 'writer.py'} {{text}} {{out}}"


def test_work_waits_for_its_tokens_and_for_the_work_before():
    assert first_sound([0.01], 0.04) == pytest.approx(0.01)
    assert first_sound([0.01, 0.01, 0.01], 0.04) == pytest.approx(0.09)  # idle between tokens
    assert first_sound([0.1, 0.1, 0.1], 0.04) == pytest.approx(0.3)  # always busy
    assert first_sound([0.02], 0.04, tokens_each=11) == pytest.approx(0.42)  # a whole sentence


def test_a_long_text_goes_on_and_does_not_repeat_itself():
    chapters = list(itertools.islice(long_text(), 3 * (len(TEXTS) + 1)))
    assert len({text for text in chapters if text.startswith("Chapter")}) == 3


def test_a_peer_reads_until_the_last_mark(writer):
    found = measure_reading(ReadTask(writer, (0.01, 0.02), 1))
    assert len(found["memory_mib"]) == 2
    assert found["audio_s"] >= 1.2
    assert 0 < found["memory_mib"][-1] <= found["peak_memory_mib"] + 1
    row = {"system": "x", "minutes": (0.01, 0.02), **reading_row([found])}
    assert "0.02 min" in next(voice_lines([], [row]))


def test_rows_hold_medians_over_rounds():
    base = {
        "load_s": 1.0,
        "tokens": [3],
        "wall_s": 1.0,
        "cpu_s": 0.5,
        "audio_s": 10.0,
        "peak_memory_mib": 99.0,
    }
    times = ("first_s", "own_s", "first_cpu_s", "own_cpu_s")
    rounds = [{**base, **{name: [value] for name in times}} for value in (0.1, 0.3, 0.2)]
    row = speaking_row(rounds)
    assert row["first_ms_median"] == row["own_cpu_ms_median"] == pytest.approx(200)
    assert row["first_cpu_ms_max"] == pytest.approx(300)
    assert row["real_time_factor_median"] == pytest.approx(0.1)
    assert "200 ms" in next(voice_lines([{"system": "x", **row}], []))


def test_memory_grows_with_what_is_kept():
    """In a process of its own: in this one other tests' memory may be given back meanwhile."""
    program = """
from recipes.benchmark_voice import memory_now_mib
before = memory_now_mib()
kept = bytearray(b"1") * (64 << 20)  # written, or the system would not give it yet
print(memory_now_mib() - before, len(kept))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[0]) > 50


@pytest.mark.bundle
def test_the_shipped_voice_begins_before_its_sentence_ends(writer):
    ours = measure_speaking(SpeakTask("llama-speech", 40.0, 1))
    peer = measure_speaking(SpeakTask(writer, 40.0, 1))
    assert sum(ours["tokens"]) < sum(peer["tokens"])
    assert all(first >= own for first, own in zip(ours["first_s"], ours["own_s"], strict=True))
    assert 10 < ours["audio_s"] < 60


@pytest.mark.bundle
def test_the_shipped_voice_reads_on_without_its_llama():
    found = measure_reading(ReadTask(ALONE, (0.05, 0.1), 1))
    assert found["audio_s"] >= 6
    assert len(found["memory_mib"]) == 2
