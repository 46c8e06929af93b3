"""Join lexicon, letter-to-sound model and homograph models into the bundle component `pronunciation`.

    python -m recipes.pack_pronunciation --lexicon DATA/lexicon --text-dir DIR --cmudict DIR/cmudict/... \
        --letters RUNS/letters/export/letters --states RUNS/homographs-states/export/homographs \
        --words RUNS/homographs-words/export/homographs --out RUNS/pronunciation
    python -m recipes.pack_bundle --component pronunciation=RUNS/pronunciation --into BUNDLE

Parts that are left out are absent from the component: words are then spelled, homographs take the lexicon's
reading. `--scores` are files of score_pronunciation and score_homographs.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.data.homographs import (
    homographs_json,
    read_readings,
    shared_homographs,
    untrained_homographs,
)
from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.prepare_lexicon import load_dictionary
from speech_core.checkpoint import load_config, load_weights, read_json, save_component, write_json
from tts_frontend.homographs import HomographsConfig
from tts_frontend.pronunciation import LEXICON_FILE
from tts_frontend.pronunciation_letters import LettersConfig
from tts_frontend.pronunciation_model import PronunciationConfig, PronunciationModel


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    lexicon: Path = option(Path(), "folder of prepare_lexicon")
    text_dir: Path = option(Path(), "folder with homographs/")
    cmudict: Path = option(Path(), "cmudict.dict, plain or with .gz")
    misaki: Path | None = option(None, "folder with misaki's dictionaries (default: in hibari-tts)")
    letters: Path | None = option(None, "letter-to-sound model")
    states: Path | None = option(None, "homograph model with the Llama's states")
    words: Path | None = option(None, "homograph model without a Llama")
    scores: tuple[Path, ...] = option((), "JSON lists of what was measured")
    storage: str = option("float16", "of matrices", choices=("float32", "float16", "int8"))
    out: Path = option(Path(), "component folder to write")


def pack(config: RunConfig) -> None:
    """Write the component."""
    sizes = PronunciationConfig(
        load_config(config.letters, LettersConfig) if config.letters else None,
        load_config(config.states, HomographsConfig) if config.states else None,
        load_config(config.words, HomographsConfig) if config.words else None,
    )
    model = PronunciationModel(sizes)
    record: dict[str, Any] = {}
    parts = {"letters": config.letters, "states": config.states, "words": config.words}
    for name, folder in parts.items():
        if folder is not None:
            load_weights(folder, getattr(model, name))
            record[name] = read_json(folder / "training.json")
    record["scores"] = [score for path in config.scores for score in read_json(path)]
    save_component(config.out, model, sizes, record, config.storage)
    shutil.copyfile(config.lexicon / LEXICON_FILE, config.out / LEXICON_FILE)
    write_json(config.out / "homographs.json", _homographs(config))


def _homographs(config: RunConfig) -> dict[str, dict[str, object]]:
    """All homographs the models can tell apart; none without models."""
    if config.states is None and config.words is None:
        return {}
    own = read_readings(config.text_dir, load_dictionary(config.misaki, config.cmudict))
    variants_json = json.loads((config.lexicon / "variants.json").read_text(encoding="utf-8"))
    sizes = [load_config(folder, HomographsConfig) for folder in (config.states, config.words) if folder]
    return homographs_json(
        own, shared_homographs(variants_json, own) | untrained_homographs(own, sizes[0].readings)
    )


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, pack, __doc__ or "", argv)


if __name__ == "__main__":
    main()
