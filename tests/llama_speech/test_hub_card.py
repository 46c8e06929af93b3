"""The card of the hub form: a header with the figures of the manifest, the bundle's text, how to use it."""

import json

from llama_speech.bundle import Bundle, BundleInfo
from llama_speech.hub_card import model_card

SCORES = (
    {"system": "llama-speech", "metric": "wer/whisper-en", "data": "clips", "rate": 0.4651},
    {"system": "peer", "metric": "wer/whisper-en", "data": "clips", "rate": 0.1},
    {"system": "llama-speech", "metric": "bleu", "data": "clips", "rate": 0.2},
)


def card_of(folder):
    info = BundleInfo("small", "1", "Apache-2.0", ("en",), {}, SCORES)
    header, _, body = model_card(Bundle(folder, info, {})).removeprefix("---\n").partition("\n---\n\n")
    return dict(line.split(": ", 1) for line in header.splitlines()), body


def test_the_header_has_our_word_error_rates_only(tmp_path):
    header, body = card_of(tmp_path)
    assert (header["license"], header["language"]) == ('"apache-2.0"', '["en"]')
    (result,) = json.loads(header["model-index"])[0]["results"]
    assert result["dataset"]["type"] == "clips"
    assert result["metrics"] == [{"type": "wer", "name": "WER, whisper-en, percent", "value": 46.51}]
    assert body.startswith("# small\n")


def test_the_text_of_the_bundle_stays_without_its_own_header(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n\n# Card\n\nWhat it knows.\n")
    header, body = card_of(tmp_path)
    assert header["license"] == '"apache-2.0"'
    assert body.startswith("# Card\n\nWhat it knows.\n\n## Use with transformers\n")
