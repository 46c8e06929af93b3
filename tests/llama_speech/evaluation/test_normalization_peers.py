"""Text normalizers of other projects: which there are, what is said where they are missing, and how they are
scored. Where one is installed it is run.
"""

import importlib.util
from importlib.metadata import PackageNotFoundError

import pytest

from llama_speech.cli.main import main
from llama_speech.evaluation.normalization import lost_sentences, score_peer
from llama_speech.evaluation.normalization_peers import NemoText, make_normalizer_peer, read_by
from llama_speech.evaluation.normalization_scores import Pair
from speech_core.errors import ConfigError, InputError
from tts_frontend.languages import load_language

PAIRS = [
    Pair("I paid $5.", ("I paid five dollars.",)),
    Pair("See 7 of them.", ("See seven of them.",)),
    Pair("No change.", ("No change.",)),
]


class Halting:
    """Reads by a table and fails on what is not in it."""

    name = "halting"

    def signature(self) -> str:
        return "halting|1"

    def read(self, text: str) -> str:
        return {"I paid $5.": "I paid six dollars.", "No change.": "No change."}[text]


def test_a_sentence_a_peer_fails_on_is_lost_to_it_alone():
    outputs, speed = read_by(Halting(), PAIRS)
    assert outputs == ["I paid six dollars.", "", "No change."]
    assert speed > 0
    score = score_peer(Halting(), PAIRS, "en")
    assert (score.counts["L3"].right, score.lost, score.signature) == (1, 2, "halting|1")


def test_a_sentence_loses_something_when_the_reference_does_not():
    english = load_language("en")
    assert lost_sentences(PAIRS, ["I paid five dollars.", "See seven.", "no change"], english) == 1
    odd = [Pair("AC it is", ("Alternating current it is",))]  # the reference itself does not parse back
    assert lost_sentences(odd, ["nothing"], english) == 0


def test_unknown_peers_and_languages_are_refused():
    with pytest.raises(InputError, match="nemo, wetext"):
        make_normalizer_peer("other")


def test_what_is_missing_is_named(monkeypatch):
    import llama_speech.evaluation.normalization_peers as peers

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(peers, "version", absent)
    with pytest.raises(ConfigError, match=r"nemo_text_processing is not.*\[grammars\].*--peer"):
        NemoText()


@pytest.mark.skipif(importlib.util.find_spec("tn") is None, reason="WeTextProcessing is not installed")
def test_wetext_is_scored_by_the_command(tmp_path, capsys):
    data = tmp_path / "pairs.tsv"
    data.write_text("He is 10 years old.\tHe is ten years old.\n")
    argv = ["evaluate", "normalization", "--data", f"some={data}", "--choice", "rules", "--peer", "wetext"]
    assert main(argv) == 0
    assert "wetext" in capsys.readouterr().out
    with pytest.raises(InputError, match="English"):
        make_normalizer_peer("wetext", "es")
