"""The model card of a bundle, made from what lies in it: components, training, measured scores, limits.

The text about data, licences and limits of a component is written by hand in `recipes/cards/NAME.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_speech.bundle import COMPONENTS, BundleInfo
from speech_core.checkpoint import count_weights, read_json, weights_storage

_CARDS = Path(__file__).parents[1] / "cards"

_HEAD = """---
license: apache-2.0
language: {languages}
pipeline_tag: automatic-speech-recognition
tags: [llama, speech, conformer]
---
# {name}: speech for {llama}

Trained parts that give a frozen Llama ears and a voice, after section 8 of "The Llama 3 Herd of Models"
(arXiv 2407.21783). The Llama itself ({llama}) is neither changed nor part of this folder.
"""

_USE = {  # component -> how what it makes possible is called
    "speech_adapter": '`llama-speech transcribe FILE`, or `llama_speech.load().transcribe("a.wav")`: text.',
    "text_normalizer": '`llama-speech normalize "Dr. Smith paid $5."`: the words one says.',
    "vocoder": '`llama-speech speak "Good morning." -o hello.wav`: speech, 24 kHz.',
}


@dataclass(frozen=True)
class Section:
    """One part of the card: the components it is about, the first of which is only heard through the last."""

    title: str
    components: tuple[str, ...]


SECTIONS = (
    Section("Recognizer", ("speech_encoder", "speech_adapter", "language_model")),
    Section("Text normalizer", ("text_normalizer",)),
    Section("Pronunciation", ("pronunciation",)),
    Section("Prosody", ("prosody",)),
    Section("Acoustic model", ("acoustic",)),
    Section("Vocoder", ("vocoder",)),
)


def render(folder: Path, info: BundleInfo) -> str:
    """The card of the bundle in `folder` as Markdown."""
    there = [name for name in COMPONENTS if (folder / name).is_dir()]
    head = {
        "languages": ", ".join(info.languages),
        "name": info.name,
        "llama": info.llama.get("name", "a Llama"),
    }
    use = [f"- {text}" for name, text in _USE.items() if name in there]
    parts = [_HEAD.format(**head), "## Use\n" + "\n".join(use) + "\n" if use else "", _parts(folder, there)]
    for section in SECTIONS:
        names = [name for name in section.components if name in there]
        if names:
            parts.append(_section(folder, section.title, names, info.scores))
    return "\n".join(part for part in parts if part)


def _parts(folder: Path, names: Iterable[str]) -> str:
    """What each component is for and how large it is."""
    rows = []
    for name in names:
        size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file()) / 1e6
        weights = folder / name / "model.safetensors"
        figures = ["-", "-"]
        if weights.is_file():
            figures = [f"{count_weights(weights) / 1e6:.2f} M", weights_storage(weights)]
        rows.append([name, COMPONENTS[name], *figures, f"{size:.1f} MB"])
    return "## Parts\n" + _table(["component", "needed to", "parameters", "matrices stored as", "size"], rows)


def _section(folder: Path, title: str, names: Sequence[str], scores: Sequence[dict[str, Any]]) -> str:
    texts = [path.read_text(encoding="utf-8") for name in names if (path := _CARDS / f"{name}.md").is_file()]
    own = [score for score in scores if score.get("component", "speech_adapter") in names]
    return "\n".join([f"## {title}", *texts, _training(folder, names), _results(own)])


def _training(folder: Path, names: Sequence[str]) -> str:
    """A row for each stage, in the order they were made, each once."""
    stages: list[dict[str, Any]] = []
    for name in names:
        path = folder / name / "training.json"
        last = read_json(path) if path.is_file() else {}
        stages += [stage for stage in (*last.get("earlier", ()), last) if stage.get("method")]
    rows: list[list[str]] = []
    for stage in stages:
        row = [str(stage["method"]), *(_number(stage, key) for key in ("audio_hours", "step", "train_hours"))]
        rows += [] if row in rows else [row]
    header = ["stage", "audio heard (h, repeats counted)", "steps", "wall time (h)"]
    return "### Training\n" + _table(header, rows) if rows else ""


def _number(stage: dict[str, Any], key: str) -> str:
    value = stage.get(key)
    return "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _results(scores: Sequence[dict[str, Any]]) -> str:
    """A table for each metric: a row for each set, a column for each system, each cell with its interval."""
    if not scores:
        return "### Results\nNot measured yet.\n"
    parts = ["### Results"]
    for metric in dict.fromkeys(score["metric"] for score in scores):
        chosen = [score for score in scores if score["metric"] == metric]
        unit = " in percent" if "rate" in chosen[0] else ""
        parts.append(
            f"{metric}{unit} with its 95 % interval; {chosen[0].get('signature', 'no signature')}.\n"
        )
        systems = list(dict.fromkeys(score["system"] for score in chosen))
        rows = []
        for data in dict.fromkeys(score["data"] for score in chosen):
            found = {score["system"]: score for score in chosen if score["data"] == data}
            rows.append([data, *(_cell(found.get(system)) for system in systems)])
        parts.append(_table(["set", *systems], rows))
    return "\n".join(parts)


def _cell(score: dict[str, Any] | None) -> str:
    if score is None:
        return "-"
    factor, digits = (100, 1) if "rate" in score else (1, 3)
    value, low, high = (score.get(key) for key in ("rate" if "rate" in score else "value", "low", "high"))
    text = "-" if value is None else f"{factor * value:.{digits}f}"
    return (
        text
        if low is None or high is None
        else f"{text} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
