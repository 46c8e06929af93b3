"""Settings of the search: read from a line, and scored as the shipped model hears."""

import json

import pytest

from recipes import score_search
from recipes.score_search import read_setting
from speech_adapter.beam_search import BeamOptions
from speech_adapter.rescoring import RescoringOptions
from speech_core.errors import ConfigError
from tests.speech_data import recorded, write_cache


def test_a_setting_changes_what_it_names_and_nothing_else():
    assert read_setting("") == (BeamOptions(), RescoringOptions())
    beam, reading = read_setting("width=8 weight=0.25 llama.most_texts=3")
    assert beam == BeamOptions(width=8, weight=0.25)
    assert reading == RescoringOptions(most_texts=3)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("wide=8", "'wide=8' names no option: use width,"),
        ("llama.width=8", ".llama.width=8. names no option: use most_texts,"),
        ("width=many", "'width=many' has no number behind width"),
        ("width", "'width' has no number"),
    ],
)
def test_what_is_no_setting_is_said_before_any_work(setting, said):
    with pytest.raises(ConfigError, match=said):
        read_setting(setting)
    with pytest.raises(SystemExit, match=f"score_search: {said}"):
        score_search.main(["--caches", "nowhere", "--settings", "", setting])


@pytest.mark.bundle
def test_the_shipped_model_is_scored_as_it_transcribes(tmp_path, capsys):
    import llama_speech
    from llama_speech.evaluation.scores import Metric, count_edits, error_rate, prepare_texts

    clips = recorded()
    cache, out = write_cache(tmp_path / "samples", clips), tmp_path / "scores.json"
    settings = ["llama.most_texts=0", "llama.most_texts=0 weight=0 prior=0"]
    score_search.main(["--caches", str(cache), "--settings", *settings, "--out", str(out)])
    usual, without = json.loads(out.read_text())
    model = llama_speech.load()
    heard = [model.transcribe(audio, sample_rate=16000, mode="ctc", vad=False).text for audio, _ in clips]
    texts, metric = [text for _, text in clips], Metric()
    rate = error_rate(count_edits(prepare_texts(texts, metric), prepare_texts(heard, metric)))
    assert usual["rate"] == pytest.approx(rate, abs=0.02)  # features are kept in 16 bits
    assert without["rate"] > usual["rate"]
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "| setting | word error rate, 3 clips, % |"
    assert table[2].startswith(f"| llama.most_texts=0 | {100 * usual['rate']:.1f} [")
