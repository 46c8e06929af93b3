"""Translations with a tiny stack of the real parts: both methods, prompts, batches, bad input."""

from pathlib import Path

import numpy as np
import pytest
import torch

from llama_speech.translation import Translator, target_language
from speech_adapter.generation import decode
from speech_adapter.prompts import Speech, Turn, render, translation_turns
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules, speech_token_limit
from speech_core.errors import AudioError, ConfigError, InputError

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))


@pytest.mark.parametrize("method", ["direct", "cascade"])
def test_a_translation_looks_like_a_transcription(tiny_model, method):
    result = tiny_model.translate(SAMPLES[2], "German", method=method)
    assert result.language == "de"
    assert result.duration_s == pytest.approx(5.7, abs=0.1)
    assert result.text == " ".join(segment.text for segment in result.segments)
    times = [time for segment in result.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)


@pytest.mark.parametrize("method", ["direct", "cascade"])
def test_batch_equals_single(tiny_model, method):
    paths = [SAMPLES[0], SAMPLES[2]]
    singles = [tiny_model.translate(path, "fr", method=method).text for path in paths]
    batch = tiny_model.translate(paths, "fr", method=method)
    assert [result.text for result in batch] == singles
    assert len(set(singles)) == 2


def pieces_of(tiny_model, path):
    from llama_speech.recordings import opener
    from llama_speech.segments import SegmentConfig, iter_pieces
    from speech_core.audio import AudioLimits
    from speech_encoder.features import log_mel

    pieces = list(iter_pieces(opener(path, None, AudioLimits())(), SegmentConfig(), None))
    return [log_mel(torch.from_numpy(piece.audio), tiny_model.parts.features) for piece in pieces]


def test_direct_is_the_llamas_greedy_answer_to_prompt_and_speech(tiny_model):
    model = tiny_model.parts.loaded
    features = pieces_of(tiny_model, SAMPLES[2])
    heard = model.recognizer.listen(features)[0]
    pieces = render(model.tokenizer, translation_turns(Speech(heard.speech), "Thai"))
    prompt = build_sequence(pieces, model.engine.embed, model.recognizer.boundaries)
    rules = StopRules(model.tokenizer.end_ids, speech_token_limit(heard.duration_s))
    expected = decode(model.engine, [prompt], [rules])[0]
    result = Translator(model).transcribe(features, "Thai", "llama")[0]
    assert result.token_ids == expected.token_ids


def test_cascade_is_the_answer_to_the_transcript(tiny_model):
    model = tiny_model.parts.loaded
    features = pieces_of(tiny_model, SAMPLES[2])
    heard = model.recognizer.transcribe(features, "English", "ctc")[0]
    turns = [Turn("system", ("Translate the following sentence into Thai:",)), Turn("user", (heard.text,))]
    prompt = build_sequence(render(model.tokenizer, turns), model.engine.embed, model.recognizer.boundaries)
    rules = StopRules(model.tokenizer.end_ids, 3 * len(heard.token_ids) + 32)
    expected = decode(model.engine, [prompt], [rules])[0]
    result = Translator(model, "cascade").transcribe(features, "Thai", "ctc")[0]
    assert result.token_ids == expected.token_ids
    first, last = heard.token_times_s[0][0], heard.token_times_s[-1][1]
    assert result.token_times_s[0][0] == pytest.approx(first)
    assert result.token_times_s[-1][1] == pytest.approx(last)


@pytest.mark.parametrize("method", ["direct", "cascade"])
def test_silence_is_never_translated(tiny_model, method):
    result = tiny_model.translate(np.zeros(32_000, np.float32), "es", method=method, sample_rate=16_000)
    assert (result.text, result.segments) == ("", ())


def test_languages():
    assert target_language("zh").name == "Chinese"
    with pytest.raises(InputError, match="'Danish' is not one of the 34"):
        target_language("da")
    with pytest.raises(InputError, match="'Klingon' is not known"):
        target_language("Klingon")


def test_what_cannot_be(tiny_model):
    with pytest.raises(ConfigError, match="method is 'magic': use one of direct, cascade"):
        tiny_model.translate(SAMPLES[2], "de", method="magic")
    with pytest.raises(InputError, match="German is not one this model was trained for"):
        tiny_model.translate(SAMPLES[2], "en", "de", "cascade")
    with pytest.raises(AudioError, match=r"nowhere\.wav: no such file"):
        tiny_model.translate("nowhere.wav", "de")
