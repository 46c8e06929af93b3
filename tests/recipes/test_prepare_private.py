"""Personal data in transcripts is dropped or masked, and counted by kind."""

import json

import pytest

from recipes.data.manifests import Utterance, read_manifest, write_manifest
from recipes.prepare_private import PrivateOptions, prepare
from speech_core.errors import ConfigError


@pytest.fixture
def manifest(tmp_path):
    texts = ["write to a@b.de", None, "call 030 123 45 67 or a@b.de", "nothing of anyone"]
    clips = [
        Utterance(str(number), f"{number}.opus", text, "en", "s", 1.0, "c", "CC0")
        for number, text in enumerate(texts)
    ]
    write_manifest(tmp_path / "in.jsonl", clips)
    return tmp_path / "in.jsonl"


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("drop", ["nothing of anyone"]),
        ("mask", ["write to <EMAIL_ADDRESS>", "call <PHONE_NUMBER> or <EMAIL_ADDRESS>", "nothing of anyone"]),
    ],
)
def test_what_is_found_is_taken_out_and_counted(manifest, tmp_path, action, left):
    chosen = PrivateOptions(tmp_path / "out", manifest, personal_data="patterns", action=action)
    counts = prepare(chosen)
    assert [one.text for one in read_manifest(tmp_path / "out" / "train.jsonl")] == left
    assert (counts["scanned"], counts["EMAIL_ADDRESS"], counts["PHONE_NUMBER"]) == (3, 2, 1)
    assert counts["masked" if action == "mask" else "dropped"] == 2
    assert json.loads((tmp_path / "out" / "counts.json").read_text()) == counts
    found = [json.loads(line) for line in (tmp_path / "out" / "found.jsonl").read_text().splitlines()]
    assert found[0] == {"id": "0", "found": [[9, 15, "EMAIL_ADDRESS"]]}


def test_what_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="one of --manifest and --sets"):
        PrivateOptions(tmp_path)
    with pytest.raises(ConfigError, match="finds nothing"):
        PrivateOptions(tmp_path, sets=("librispeech",), personal_data="none")
