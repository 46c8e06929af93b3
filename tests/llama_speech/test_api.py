"""The Python interface with a tiny stack of the real parts: every kind of input, batches, options."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from llama_speech.segments import SegmentConfig
from speech_core.audio import load_audio
from speech_core.errors import AudioError, ConfigError, InputError
from tests.audio_files import tone, wav_bytes

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))
CTC = {"mode": "ctc"}


@pytest.fixture(scope="module")
def expected(tiny_model):
    return tiny_model.transcribe(SAMPLES[0], word_timestamps=True, **CTC)


def test_result(expected):
    assert expected.text
    assert expected.language == "en"
    assert expected.duration_s == pytest.approx(6.75, abs=0.01)
    assert expected.text == " ".join(segment.text for segment in expected.segments)
    assert [segment.id for segment in expected.segments] == list(range(len(expected.segments)))
    for segment in expected.segments:
        assert 0 <= segment.start <= segment.end <= expected.duration_s + 0.1
        assert segment.avg_logprob <= 0
        assert 0 <= segment.no_speech_prob <= 1
        assert "".join(word.word for word in segment.words) == segment.text
        assert all(0 <= word.probability <= 1 for word in segment.words)
    edges = [time for word in expected.words for time in (word.start, word.end)]
    assert edges == sorted(edges)


@pytest.mark.parametrize("mode", ["llama", "ctc"])
def test_both_modes_run(tiny_model, mode):
    result = tiny_model.transcribe(SAMPLES[2], mode=mode)
    assert result.duration_s == pytest.approx(5.7, abs=0.1)
    assert all(segment.words is None for segment in result.segments)


def test_every_kind_of_source_gives_the_same(tiny_model, expected):
    data = SAMPLES[0].read_bytes()
    audio = load_audio(data)
    sources = [str(SAMPLES[0]), SAMPLES[0], data, io.BytesIO(data), {"array": audio, "sampling_rate": 16000}]
    for source in sources:
        assert tiny_model.transcribe(source, word_timestamps=True, **CTC) == expected
    for array in (audio, torch.from_numpy(audio), np.stack([audio, audio]), np.stack([audio, audio]).T):
        assert tiny_model.transcribe(array, word_timestamps=True, sample_rate=16000, **CTC) == expected


def test_array_at_another_rate(tiny_model, expected):
    high = load_audio(SAMPLES[0], sample_rate=48000)
    result = tiny_model.transcribe(high, sample_rate=48000, **CTC)
    assert result.duration_s == pytest.approx(expected.duration_s, abs=0.01)


def test_batch_equals_single(tiny_model):
    singles = [tiny_model.transcribe(path, word_timestamps=True, batch_size=1, **CTC) for path in SAMPLES]
    for batch_size in (2, 8):
        batch = tiny_model.transcribe(list(SAMPLES), word_timestamps=True, batch_size=batch_size, **CTC)
        assert [result.text for result in batch] == [result.text for result in singles]
        assert [result.duration_s for result in batch] == [result.duration_s for result in singles]
        for one, other in zip(batch, singles, strict=True):
            assert [s.tokens for s in one.segments] == [s.tokens for s in other.segments]


def test_an_empty_list_gives_an_empty_list(tiny_model):
    assert tiny_model.transcribe([]) == []


@pytest.mark.parametrize("vad", [True, False])
def test_silence_has_no_words_with_vad_and_its_length_either_way(tiny_model, vad):
    result = tiny_model.transcribe(np.zeros(50_000, np.float32), sample_rate=16000, vad=vad, **CTC)
    assert result.duration_s == 50_000 / 16000
    if vad:
        assert (result.text, result.segments) == ("", ())


@pytest.mark.parametrize("samples", [1, 100, 159, 160, 161, 1279, 1280, 1281])
@pytest.mark.parametrize("mode", ["llama", "ctc"])
def test_very_short_audio(tiny_model, samples, mode):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, samples).astype(np.float32)
    result = tiny_model.transcribe(noise, sample_rate=16000, vad=False, mode=mode)
    assert result.duration_s == samples / 16000


def test_language_by_code_and_name(tiny_model):
    assert tiny_model.languages == ("en", "es")
    assert tiny_model.transcribe(SAMPLES[2], "Spanish", **CTC).language == "es"
    assert tiny_model.transcribe(SAMPLES[2], "EN", **CTC).language == "en"
    with pytest.raises(InputError, match="German is not one this model was trained for"):
        tiny_model.transcribe(SAMPLES[2], "de")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size is 0: it must be at least 1"),
        ({"mode": "magic"}, "mode is 'magic': use one of llama, ctc"),
        ({"language": "xx"}, "language 'xx' is not known"),
    ],
)
def test_options_that_cannot_be(tiny_model, options, message):
    with pytest.raises((InputError, ConfigError), match=message):
        tiny_model.transcribe(SAMPLES[2], **options)


def test_inputs_that_cannot_be(tiny_model):
    with pytest.raises(AudioError, match="an array needs its sample rate: pass sample_rate="):
        tiny_model.transcribe(np.zeros(16000, np.float32))
    with pytest.raises(AudioError, match=r"nowhere\.wav: no such file"):
        tiny_model.transcribe(["nowhere.wav"])
    with pytest.raises(AudioError, match="audio is a float"):
        tiny_model.transcribe([0.5])


def test_one_bad_recording_does_not_stop_the_others(tiny_model):
    sources = [SAMPLES[0], "nowhere.wav", wav_bytes(tone(1.0, 16000))[:20_000], SAMPLES[2]]
    outcomes = list(tiny_model.transcribe_each(sources, **CTC))
    assert [isinstance(outcome, AudioError) for outcome in outcomes] == [False, True, True, False]
    assert outcomes[0].text == tiny_model.transcribe(SAMPLES[0], **CTC).text
    assert outcomes[3].duration_s == pytest.approx(5.7, abs=0.1)


def test_progress_adds_up_to_the_audio(tiny_model):
    done: list[float] = []
    results = tiny_model.transcribe(list(SAMPLES), progress=done.append, batch_size=1, **CTC)
    assert sum(done) == pytest.approx(sum(result.duration_s for result in results), abs=1e-6)
    assert min(done) >= 0


def test_long_audio_is_cut_and_put_together_again(tiny_model):
    audio = np.concatenate([load_audio(path) for path in SAMPLES] * 3)
    config = SegmentConfig(target_s=4.0, max_s=6.0)
    for vad in (True, False):
        result = tiny_model.transcribe(
            audio, sample_rate=16000, segments=config, vad=vad, batch_size=2, **CTC
        )
        assert result.duration_s == pytest.approx(audio.size / 16000)
        assert len(result.segments) >= audio.size / 16000 / 10
        starts = [segment.start for segment in result.segments]
        assert starts == sorted(starts)
        assert starts[-1] > 60
        assert [segment.id for segment in result.segments] == list(range(len(result.segments)))
