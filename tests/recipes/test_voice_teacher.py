import numpy as np
import pytest
import torch

from recipes.data.voice_teacher import VoiceTeacher, phone_means, place_phones, written_words
from speech_core.errors import AudioError
from speech_synthesis.config import VOCODER_PRESETS
from speech_synthesis.mel import frame_log_power
from speech_synthesis.vocoder import Vocoder
from tts_frontend.languages.en.phones import PHONES

SYMBOLS = "^həlˈO ðˈɛɹ, ju?$"
DURATIONS = np.asarray([20, 4, 4, 4, 4, 8, 4, 4, 2, 6, 6, 8, 2, 4, 8, 10, 2])


def test_words_are_cut_at_spaces_and_keep_their_marks():
    words = written_words("Well, isn't it... odd?!")
    assert [(w.text, w.punctuation) for w in words] == [
        ("Well", ","), ("isn't", ""), ("it", "..."), ("odd", "?"),
    ]  # fmt: skip
    assert [(w.start, w.end) for w in words] == [(0, 5), (6, 11), (12, 17), (18, 23)]


def test_symbols_become_phones_with_all_frames():
    placed = place_phones(SYMBOLS, DURATIONS, lead=0)
    symbols = [PHONES[phone] for phone in placed.phones]
    assert symbols == ["SIL", "HH", "AH0", "L", "OW1", "DH", "EH1", "R", "SIL", "Y", "UW0", "SIL"]
    assert placed.words == (-1, 0, 0, 0, 0, 1, 1, 1, -1, 2, 2, -1)
    assert placed.durations.tolist() == [20, 4, 4, 4, 14, 6, 8, 6, 10, 4, 8, 12]
    assert placed.durations.sum() == DURATIONS.sum()


def test_boundaries_come_earlier_by_the_lead():
    early, plain = (place_phones(SYMBOLS, DURATIONS, lead).durations for lead in (4, 0))
    assert early[0] == plain[0] - 4
    assert early[-1] == plain[-1] + 4
    assert early[1:-1].tolist() == plain[1:-1].tolist()


def test_no_phone_is_without_a_frame():
    placed = place_phones(SYMBOLS, np.minimum(DURATIONS, 1), lead=4)
    assert placed.durations.min() >= 1
    assert placed.durations.sum() == len(DURATIONS)


def test_means_of_phones():
    values = np.asarray([1.0, 3.0, 5.0, 7.0], np.float32)
    found = phone_means(values, np.asarray([2, 1, 1]), np.asarray([True, True, False, True]))
    assert found[[0, 2]].tolist() == [2.0, 7.0]
    assert np.isnan(found[1])


@pytest.fixture(scope="module")
def teacher():
    pytest.importorskip("hibari")
    return VoiceTeacher()


def test_a_sentence_is_an_item_and_sounds_like_the_teacher(teacher):
    item = teacher.speak("The small dog slept.", "one", seed=1)
    item.check()
    assert [word.text for word in item.words] == ["The", "small", "dog", "slept"]
    assert [PHONES[p] for p in item.phones][:3] == ["SIL", "DH", "AH0"]
    assert 120 < np.exp(np.nanmean(item.log_f0)) < 320
    pitch = torch.from_numpy(item.f0_hz)[:, None]
    frames = torch.cat([torch.from_numpy(item.frames.astype(np.float32)), pitch], 1)
    sound = Vocoder(VOCODER_PRESETS["small"]).eval()(frames).detach()
    power = frame_log_power(sound, teacher.config).numpy()
    loud = item.frame_power() > -12
    assert np.corrcoef(power[loud], item.frame_power()[loud])[0, 1] > 0.9
    assert abs(np.mean(power[loud] - item.frame_power()[loud])) < 0.7


def test_what_is_not_read_word_by_word_is_refused(teacher):
    with pytest.raises(AudioError, match="not one sentence"):
        teacher.speak("It was 1984. Then.", "two")
