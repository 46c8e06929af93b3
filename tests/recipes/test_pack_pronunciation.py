"""A lexicon, with models or without, becomes a component that pronounces and that a bundle takes."""

import json
from pathlib import Path

from llama_speech.bundle import read_bundle
from recipes import pack_bundle
from recipes.pack_pronunciation import RunConfig, main, pack
from speech_core.checkpoint import read_json
from tts_frontend.pronunciation import LEXICON_FILE
from tts_frontend.pronunciation_lexicon import Lexicon, write_lexicon

SCORE = {"data": "dev", "system": "ours", "metric": "phones", "rate": 0.1, "signature": "per"}


def lexicon_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lexicon"
    folder.mkdir()
    write_lexicon(folder / LEXICON_FILE, {"hello": ("HH", "AH0", "L", "OW1")})
    return folder


def test_a_lexicon_alone_is_a_component_of_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps([SCORE]))
    out = tmp_path / "pronunciation"
    pack(RunConfig(lexicon=lexicon_folder(tmp_path), scores=(tmp_path / "scores.json",), out=out))
    assert read_json(out / "training.json")["scores"] == [SCORE]
    assert read_json(out / "homographs.json") == {}  # nothing that could tell them apart
    pack_bundle.main(["--component", f"pronunciation={out}", "--out", str(tmp_path / "bundle")])
    bundle = read_bundle(tmp_path / "bundle")
    lexicon = Lexicon.load(bundle.component("pronunciation") / LEXICON_FILE)
    assert lexicon.find("hello") == ("HH", "AH0", "L", "OW1")
    assert bundle.info.scores == ({"component": "pronunciation", **SCORE},)


def test_the_command_writes_it(tmp_path: Path) -> None:
    main(["--lexicon", str(lexicon_folder(tmp_path)), "--out", str(tmp_path / "out")])
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "config.json",
        "homographs.json",
        LEXICON_FILE,
    }
