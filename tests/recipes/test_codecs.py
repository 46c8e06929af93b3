"""Codecs damage sound but keep its length and time."""

import numpy as np
import pytest

from recipes.data.codecs import CODECS, mu_law, through_codec
from speech_core.errors import InputError


@pytest.mark.parametrize(("name", "kbps"), [(name, codec.kbps[-1]) for name, codec in CODECS.items()])
def test_a_codec_keeps_length_and_time(name, kbps, speech):
    decoded = through_codec(speech, name, kbps)
    assert decoded.shape == speech.shape
    assert decoded.dtype == np.float32
    assert np.corrcoef(decoded, speech)[0, 1] > 0.9  # a shift by one pitch period gives much less
    assert not np.array_equal(decoded, speech)


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_very_short_sound_goes_through(samples):
    sound = np.full(samples, 0.1, np.float32)
    assert through_codec(sound, "opus", 12).shape == sound.shape
    assert mu_law(sound).shape == sound.shape


def test_mu_law_is_the_telephones_eight_bits(speech):
    assert np.corrcoef(mu_law(speech), speech)[0, 1] > 0.9
    spectrum = np.abs(np.fft.rfft(mu_law(speech)))
    above_4_khz = spectrum[spectrum.size * 9 // 16 :]
    assert np.square(above_4_khz).sum() < 1e-3 * np.square(spectrum).sum()


def test_an_unknown_codec_is_named(speech):
    with pytest.raises(InputError, match="'tape'"):
        through_codec(speech, "tape", 8)
