import numpy as np
import pytest

from speech_core.audio import AudioLimits, load_audio
from speech_core.audio_encoding import ENCODINGS, make_encoder
from speech_core.errors import InputError, StreamClosedError
from speech_core.pcm import pcm16_to_float
from tests.fakes import tone


def encoded(name, audio, parts=7):
    encoder = make_encoder(name, 24_000)
    return b"".join([encoder.push(part) for part in np.array_split(audio, parts)] + [encoder.flush()])


def decoded(name, data):
    return (
        pcm16_to_float(data)
        if name == "pcm"
        else load_audio(data, 24_000, AudioLimits(allow_damaged=name == "wav"))
    )


@pytest.mark.parametrize("name", ENCODINGS)
def test_what_was_encoded_is_heard_again(name):
    audio = tone(440, 1.5, 24_000)
    heard = decoded(name, encoded(name, audio))
    assert abs(heard.size - audio.size) < 24_000 * 0.12  # frames are filled up, codecs have a delay
    spectrum = np.abs(np.fft.rfft(heard[6_000:30_000]))
    assert np.argmax(spectrum) == 440
    assert np.sqrt(np.mean(heard[6_000:30_000] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav", "pcm"])
def test_sound_comes_before_the_end(name):
    encoder = make_encoder(name, 24_000)
    assert len(b"".join(encoder.push(tone(440, 1.0, 24_000)) for _ in range(30))) > 1_000


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoder_is_closed_by_flush(name):
    encoder = make_encoder(name, 24_000)
    encoder.flush()
    assert encoder.flush() == b""
    with pytest.raises(StreamClosedError):
        encoder.push(tone(440, 0.1, 24_000))


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="use one of wav, pcm, mp3"):
        make_encoder("midi", 24_000)
