"""A recording that grows: words come when two results agree, and stay."""

import wave

import numpy as np
import pytest

from llama_speech.evaluation.datasets import EvalItem
from llama_speech.evaluation.streaming import AgreedWords, stream_item
from speech_core.audio import write_wav
from speech_core.errors import InputError


class Slow:
    """Hears one word more for each full second, and is never sure of the newest."""

    name, batch_size = "slow", 1

    def signature(self):
        return "slow"

    def prepare(self):
        pass

    def transcribe(self, paths):
        with wave.open(str(paths[0])) as file:
            seconds = file.getnframes() / file.getframerate()
        sure = ["one", "two", "three", "four", "five"][: int(seconds)]
        return [" ".join([*sure, f"perhaps{seconds}"])]


@pytest.fixture
def item(tmp_path):
    write_wav(tmp_path / "a.wav", np.full(16000 * 3 + 8000, 0.01, dtype=np.float32), 16000)
    return EvalItem("a", tmp_path / "a.wav", "one two three four", "en", None, None)


def test_words_are_written_when_two_results_agree(item):
    one = stream_item(Slow(), item, 1000)
    assert one.prediction == "one two three perhaps3.5"
    assert one.delays_ms == (2000, 3000, 3500, 3500)
    assert (one.source_ms, one.target_words) == (3500, 4)
    assert all(late >= early for late, early in zip(one.elapsed_ms, one.delays_ms, strict=True))


def test_a_smaller_step_writes_earlier(item):
    late, early = stream_item(Slow(), item, 1000), stream_item(Slow(), item, 500)
    assert early.prediction == late.prediction
    assert sum(early.delays_ms) < sum(late.delays_ms)
    whole = stream_item(Slow(), item, 60000)  # heard at once
    assert whole.delays_ms == (3500,) * 4


def test_what_is_written_is_never_taken_back():
    words = AgreedWords()
    assert [words.push(text.split()) for text in ("a b", "a b c", "x y", "x y z")] == [0, 2, 0, 0]
    assert words.push(["x", "y", "z"], final=True) == 1
    assert words.written == ["a", "b", "z"]


def test_a_step_of_nothing_is_refused(item):
    with pytest.raises(InputError, match="above 0"):
        stream_item(Slow(), item, 0)
