"""The paper's Table 31 stands beside sets that match it, with its metric for each language."""

import pytest

from llama_speech.evaluation.corpora import FLEURS
from llama_speech.evaluation.paper import headline_metric, paper_rows


@pytest.mark.parametrize(
    ("language", "metric"),
    [
        ("en", "wer/whisper-en"),
        ("de", "wer/whisper-basic"),
        ("zh", "cer/whisper-basic"),
        ("ko", "cer/whisper-basic"),
    ],
)
def test_the_metric_follows_the_language(language, metric):
    assert headline_metric(language) == metric


def test_characters_count_in_the_four_languages_of_the_paper():
    assert [code for code in FLEURS if headline_metric(code).startswith("cer")] == ["zh", "ja", "ko", "th"]


def test_rows_of_sets_that_match():
    rates = [
        ("librispeech-test-other", "en", {"ours": {"wer/whisper-en": 0.5}, "peer": {"wer/whisper-en": None}}),
        ("fleurs-de", "de", {"ours": {"wer/whisper-basic": 0.2, "cer/whisper-basic": 0.1}}),
        ("fleurs-zh", "zh", {"ours": {"wer/whisper-basic": 1.0, "cer/whisper-basic": 0.4}}),
        ("librispeech", "en", {"ours": {"wer/whisper-en": 0.9}}),
    ]
    rows = paper_rows(rates)
    assert rows[0][:5] == ["LibriSpeech test-other", "50.0", "-", "3.4", "3.1"]
    assert rows[1][:4] == ["FLEURS, 34 languages", "30.0 (2 languages)", "-", "9.6"]
    assert len(rows) == 2
    assert paper_rows(rates[3:]) == []
