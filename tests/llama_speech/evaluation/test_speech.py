import json
import math

import numpy as np
import pytest

from llama_speech.cli._evaluate_speech import read_texts
from llama_speech.cli._options import UsageError
from llama_speech.cli.main import main
from llama_speech.evaluation.speech import SpeechTask, evaluate_speaker, measure_obedience, to_markdown
from llama_speech.evaluation.synthesizers import Ours, Spoken
from llama_speech.speech import Speaker
from speech_core.errors import InputError
from speech_core.events import Phone, ProsodyEvent
from speech_synthesis.config import VOCODER_PRESETS
from speech_synthesis.synthesizer import PhoneTime
from speech_synthesis.vocoder import Vocoder
from tests.voice_parts import small_parts, typical_frames


class Hearer:
    """A recognizer that reads what is to be heard off a list."""

    name, batch_size = "hearer", 1

    def __init__(self, heard):
        self.heard = iter(heard)

    def signature(self):
        return "hearer"

    def prepare(self):
        pass

    def transcribe(self, paths):
        assert paths[0].read_bytes()[:4] == b"RIFF"
        return [next(self.heard)]


def tone(f0_hz, frames=20):
    """Level tones as sound, each said to be one phone asked for in just that way."""
    config = VOCODER_PRESETS["tiny"]
    pitch = [hz for hz in f0_hz for _ in range(frames)]
    samples = Vocoder(config).eval()(typical_frames(pitch, config.frames)).detach().numpy()
    phones = []
    for number, hz in enumerate(f0_hz):
        start, end = number * frames * 300, (number + 1) * frames * 300
        power = float(np.log(np.square(samples[start:end]).mean()))
        event = ProsodyEvent(Phone("AH0", word=0), math.log(frames / 80), math.log(hz), power)
        phones.append(PhoneTime(event, start, end))
    return Spoken(samples, 24_000, 1.0, 0.5, tuple(phones))


def test_a_sound_as_it_was_asked_for_is_obedient():
    found = measure_obedience([tone([150.0, 220.0, 180.0, 300.0])])
    assert found.phones == 4
    assert found.f0_correlation > 0.99
    assert found.f0_error_cents < 40
    assert found.power_error_db < 1.5
    assert found.duration_error_ms == pytest.approx(0, abs=1e-6)


def test_another_sound_is_not():
    asked, given = tone([150.0, 300.0, 150.0, 300.0]), tone([300.0, 150.0, 300.0, 150.0])
    found = measure_obedience([Spoken(given.samples, 24_000, 1.0, 0.5, asked.phones)])
    assert found.f0_correlation < -0.9
    assert found.f0_error_cents == pytest.approx(1200, rel=0.1)


def test_words_time_and_files(tmp_path):
    texts = ("They stop.", "...", "The end.")
    task = SpeechTask(texts, (Hearer(["they stop", "the hand"]),), tmp_path, tmp_path / "cache")
    result = evaluate_speaker(Ours(Speaker(small_parts())), task)
    assert (result.sentences, result.failed) == (3, 1)
    score = result.word_errors["hearer"]
    assert (score.substitutions, score.insertions) == (1, 0)
    assert result.real_time_factor > 0
    assert sorted(path.name for path in (tmp_path / "llama-speech").iterdir()) == ["0000.wav", "0002.wav"]
    text = to_markdown([result])
    assert "llama-speech" in text
    assert "F0 correlation" in text


def test_quality_is_a_mean_over_sentences(tmp_path):
    texts, hearer = ("They stop.", "The end."), Hearer(["", ""])
    task = SpeechTask(
        texts, (hearer,), tmp_path, tmp_path / "cache", quality=lambda samples, rate: {"q": 3.0}
    )
    found = evaluate_speaker(Ours(Speaker(small_parts())), task)
    assert (found.quality["q"].mean, found.quality["q"].low, found.quality["q"].items) == (3.0, 3.0, 2)
    assert "3.00 [3.00, 3.00]" in to_markdown([found])


class SameVoice:
    """An encoder to which all sound the same."""

    def embed(self, samples, sample_rate):
        return np.full(4, 0.5, dtype=np.float32)


def test_voices_are_compared(tmp_path):
    task = SpeechTask(("They stop.", "The end."), (Hearer(["", ""]),), tmp_path, tmp_path, voices=SameVoice())
    found = [evaluate_speaker(Ours(Speaker(small_parts()), name), task) for name in ("a", "b")]
    assert found[0].quality["same voice"].mean == pytest.approx(1.0)
    assert "a and b 1.00" in to_markdown(found)


def test_a_stopped_run_goes_on(tmp_path):
    texts, heard, scored = ("They stop.", "The end."), [], []

    def score(samples, rate):
        scored.append(len(samples))
        return {"q": float(len(scored))}

    def run(sentences):
        hearer = Hearer(heard.pop(0) for _ in sentences)
        task = SpeechTask(sentences, (hearer,), tmp_path / "out", tmp_path / "cache", quality=score)
        return evaluate_speaker(Ours(Speaker(small_parts())), task)

    heard[:] = ["they stop"]
    run(texts[:1])
    heard[:] = ["the end"]  # only what was not heard before is heard now
    found = run(texts)
    assert (found.heard["hearer"], found.quality["q"].mean) == (["they stop", "the end"], 1.5)
    assert len(scored) == 2


def test_a_mute_synthesizer_is_an_error(tmp_path):
    task = SpeechTask(("...",), (Hearer([]),), tmp_path, tmp_path)
    with pytest.raises(InputError, match="spoke none"):
        evaluate_speaker(Ours(Speaker(small_parts())), task)


def test_texts_are_read_from_lines_and_manifests(tmp_path):
    (tmp_path / "a.txt").write_text("One.\n\n Two. \nThree.\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "One."}\n{"text": null}\n', encoding="utf-8")
    assert read_texts(tmp_path / "a.txt", 2) == ("One.", "Two.")
    assert read_texts(tmp_path / "b.jsonl", None) == ("One.",)
    (tmp_path / "c.txt").write_text("\n", encoding="utf-8")
    for name in ("c.txt", "missing.txt"):
        with pytest.raises(UsageError):
            read_texts(tmp_path / name, None)


def test_the_command_scores_a_peer(tmp_path, capsys):
    from tests.llama_speech.evaluation.test_synthesizers import WRITER

    (tmp_path / "writer.py").write_text(WRITER, encoding="utf-8")
    (tmp_path / "a.txt").write_text("The cat.\n", encoding="utf-8")
    import sys

    peer = f"command:{sys.executable} {tmp_path / 'writer.py'} {{text}} {{out}}"
    hearer = f"command:{sys.executable} -c \"print('the')\" {{}}"
    command = ["evaluate", "speech", "--texts", str(tmp_path / "a.txt"), "--no-model", "--peer", peer]
    command += ["--recognizer", hearer, "--cache-dir", str(tmp_path), "-o", str(tmp_path / "out")]
    assert main([*command, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)["systems"][0]
    assert [score["deletions"] for score in found["word_errors"].values()] == [1]
    assert (tmp_path / "out" / "speech.md").exists()
