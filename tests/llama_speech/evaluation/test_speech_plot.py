import pytest

from llama_speech.evaluation.speech_plot import plot_speech
from llama_speech.speech import Speaker
from tests.voice_parts import small_parts

pytest.importorskip("matplotlib")


def test_a_picture_is_written(tmp_path):
    speech = Speaker(small_parts()).speak("They stop.", keep_phones=True)
    plot_speech(speech, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
