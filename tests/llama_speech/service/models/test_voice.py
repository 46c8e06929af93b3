import numpy as np
import pytest

from llama_speech.service.models.products import SpokenMark
from llama_speech.service.models.voice import BundleVoice, written_words
from llama_speech.speech import Speaker
from speech_core.events import SpokenWord
from speech_synthesis.synthesizer import WordTime
from tests.pronunciation_parts import token_events
from tests.voice_parts import small_parts

TEXT = "They stop the record. 21 dogs could call."


@pytest.fixture(scope="module")
def voice():
    return BundleVoice(Speaker(small_parts()))


def spoken(voice, text=TEXT, speed=1.0):
    stream = voice.start("default", speed)
    sounds = [sound for event in token_events(text) for sound in stream.push(event)]
    return sounds + stream.flush()


def test_every_written_word_is_told_once_and_ends_within_the_sound(voice):
    sounds = spoken(voice)
    words = [word for sound in sounds for word in sound.words]
    assert [TEXT[: word.end_char].split()[-1].strip(".") for word in words] == TEXT.replace(".", "").split()
    assert [word.end_sample for word in words] == sorted(word.end_sample for word in words)
    assert 0 < words[-1].end_sample <= sum(sound.audio.size for sound in sounds)


def test_a_word_is_told_when_its_sound_is_there(voice):
    samples = 0
    for sound in spoken(voice):
        samples += sound.audio.size
        assert all(word.start_sample <= samples for word in sound.words)


def test_faster_speech_is_shorter(voice):
    def length(speed):
        return sum(sound.audio.size for sound in spoken(voice, speed=speed))

    assert length(1.5) < 0.8 * length(1.0)


def test_a_whole_text_sounds_like_its_tokens(voice):
    whole = np.concatenate([sound.audio for sound in voice.start("any", 1.0).say(TEXT)])
    assert whole.size == sum(sound.audio.size for sound in spoken(voice))


def test_nothing_to_say_is_no_sound(voice):
    assert spoken(voice, "") == []


def test_a_number_ends_with_its_last_spoken_word():
    times = [
        WordTime(SpokenWord("twenty", 0, 2), 0, 100),
        WordTime(SpokenWord("one", 0, 2), 100, 200),
        WordTime(SpokenWord("dogs", 3, 7), 200, 300),
    ]
    assert written_words(times) == [SpokenMark(0, 200, 2), SpokenMark(200, 300, 7)]
