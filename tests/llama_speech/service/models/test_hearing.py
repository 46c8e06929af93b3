import numpy as np
import pytest

from llama_speech.service.conversation.outbox import Recognize
from llama_speech.service.models.hearing import TurnHearing
from llama_speech.service.models.prompting import HeardSpeech
from llama_speech.service.operation.metrics import Metrics
from speech_core.audio import load_audio
from speech_core.errors import ConfigError
from tests.llama_speech.service.conftest import SAMPLE


@pytest.fixture(scope="module")
def audio():
    return load_audio(SAMPLE, 16_000)[: 16_000 * 2]


def hear(tiny_model, commands, mode="ctc"):
    """What each command is told: text, error, speech."""
    found = {}
    hearing = TurnHearing(tiny_model.parts.loaded, tiny_model.languages, mode, Metrics())
    turns = [
        (command, lambda text, error, speech=(), job=command.job: found.update({job: (text, error, speech)}))
        for command in commands
    ]
    hearing(turns, "en")
    return [found[command.job] for command in commands]


def test_a_batch_is_heard_as_its_turns_alone(tiny_model, audio):
    commands = [Recognize(number, audio[: 8_000 * (number + 1)]) for number in range(4)]
    together = hear(tiny_model, commands)
    for number, command in enumerate(commands):
        text, error, speech = hear(tiny_model, [command])[0]
        assert (text, error) == together[number][:2]
        assert sum(len(one.ids) for one in speech) == sum(len(one.ids) for one in together[number][2])


def test_speech_comes_with_the_words(tiny_model, audio):
    text, error, speech = hear(tiny_model, [Recognize(0, audio)])[0]
    assert error is None
    assert bool(text) == bool(speech)
    assert all(isinstance(one, HeardSpeech) for one in speech)


def test_the_words_of_the_llama_are_those_of_the_recognizer(tiny_model, audio):
    text, _, _ = hear(tiny_model, [Recognize(0, audio)], mode="llama")[0]
    assert text == tiny_model.transcribe(audio, sample_rate=16_000, vad=False).text


def test_a_language_it_does_not_know_spoils_only_its_own_turns(tiny_model, audio):
    results = hear(tiny_model, [Recognize(0, audio, "tlh"), Recognize(1, audio, "en")])
    assert results[0][1] is not None
    assert results[1][1] is None


def test_nothing_is_heard_in_nothing(tiny_model):
    assert hear(tiny_model, [Recognize(0, np.zeros(0, dtype=np.float32))]) == [("", None, ())]


def test_only_known_ways_to_hear(tiny_model):
    with pytest.raises(ConfigError, match="ctc, llama"):
        TurnHearing(tiny_model.parts.loaded, (), "magic", Metrics())
