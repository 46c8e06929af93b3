"""The turn detection a client asks for, as the detector takes it."""

import pytest

from llama_speech.service.conversation.detection import PREFIX_MS, detector_config, prefix_ms, wait_ms
from llama_speech.service.conversation.settings import SemanticVad, ServerVad
from llama_speech.service.conversation.turns import TurnConfig

SERVER = ServerVad(type="server_vad", threshold=0.7, silence_duration_ms=900, prefix_padding_ms=120)
EAGER = SemanticVad(type="semantic_vad", eagerness="high")


def test_the_detector_gets_the_times_of_the_client():
    base = TurnConfig(interrupt_ms=640)
    config = detector_config(base, SERVER)
    assert (config.threshold, config.silence_ms, config.interrupt_ms) == (0.7, 900, 640)
    config = detector_config(base, EAGER)
    assert (config.threshold, config.silence_ms) == (base.threshold, 2000)


def test_sound_before_the_first_speech_is_kept():
    assert [prefix_ms(one) for one in (SERVER, EAGER, None)] == [120, PREFIX_MS, PREFIX_MS]


@pytest.mark.parametrize(("finished", "silence_ms"), [(0.0, 2000), (0.1, 1160), (0.2, 320), (1.0, 320)])
def test_words_that_sound_finished_need_less_silence(finished, silence_ms):
    assert wait_ms(EAGER, finished) == silence_ms
