import numpy as np
import pytest

from llama_speech.service.models.products import Finished, Sound, usage


def test_how_long_a_sound_lasts():
    assert Sound(np.zeros(12_000, dtype=np.float32), 24_000).duration_ms == pytest.approx(500)


def test_usage_counts_every_token_once():
    shown = usage(Finished("end", 7, 2))
    assert (shown["input_tokens"], shown["output_tokens"], shown["total_tokens"]) == (7, 2, 9)
    assert shown["input_token_details"]["text_tokens"] == 7
    assert shown["output_token_details"] == {"text_tokens": 2, "audio_tokens": 0}
