"""The speech sets known by name: their licence, what they may be used for, how their files become utterances.

The sets of a speech directory lie there as `NAME/train.jsonl` and `NAME/dev.jsonl` beside their clips.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.data.held_out import load_held_out
from recipes.data.manifests import Utterance, read_clips
from speech_core.errors import InputError

logger = logging.getLogger(__name__)

PARTS = ("train", "dev")


@dataclass(frozen=True)
class SpeechSet:
    """One set of a speech directory."""

    name: str
    licence: str
    credit: str  # what a model card must say
    may_train: bool = True  # False: dev and tests only


SPEECH_SETS: dict[str, SpeechSet] = {
    speech_set.name: speech_set
    for speech_set in (
        SpeechSet("librispeech", "CC BY 4.0", "LibriSpeech, V. Panayotov et al., LibriVox volunteers"),
        SpeechSet("kathleen-en", "CC0", "Arctic prompts read by Kathleen, Rhasspy datasets"),
        SpeechSet("ljspeech-part", "public domain", "LJ Speech, K. Ito, read by L. Johnson"),
        SpeechSet(
            "flight-of-the-amazon-queen",
            "game grant",
            "Flight of the Amazon Queen, J. Passfield and S. Stamatiadis",
        ),
        SpeechSet("beneath-a-steel-sky", "game grant", "Beneath a Steel Sky, Revolution Software"),
        SpeechSet("drascula", "game grant", "Drascula: The Vampire Strikes Back, Alcachofa Soft"),
        SpeechSet("asterisk-core", "CC BY-SA 3.0", "Asterisk core sounds, Digium (Sangoma)"),
        SpeechSet("kerstin-de", "CC0", "Kerstin, Rhasspy datasets"),
        SpeechSet("nathalie-nl", "CC0", "Nathalie, Rhasspy datasets"),
        SpeechSet("picovoice-speech-to-intent", "Apache-2.0", "Speech-to-intent benchmark, Picovoice"),
        SpeechSet("picovoice-wake-word", "Apache-2.0", "Wake word benchmark, Picovoice"),
        SpeechSet("fillets", "GPL-2.0-or-later", "Fish Fillets NG", may_train=False),
        SpeechSet("tuxpaint-stamps", "GPL-2.0", "Tux Paint stamps", may_train=False),
    )
}

_KNOWN = {"audio", "text", "language", "speaker", "duration", "translation"}


def _utterance(record: dict[str, Any], speech_set: SpeechSet, root: Path) -> Utterance:
    """One line of a set's manifest; fields the record of this project has no place for go into `extra`."""
    return Utterance(
        id=f"{speech_set.name}/{Path(record['audio']).with_suffix('')}",
        audio=str(root / record["audio"]),
        text=record.get("text"),
        language=record["language"],
        speaker=record["speaker"],
        duration_s=record["duration"],
        corpus=speech_set.name,
        licence=speech_set.licence,
        translation=record.get("translation") or {},
        extra={name: value for name, value in record.items() if name not in _KNOWN},
    )


def read_speech_set(speech_dir: Path, name: str, part: str) -> Iterator[Utterance]:
    """Utterances of one part of one set; none where the set lacks the part.

    Raises InputError for an unknown set, a part not among PARTS, and for training on a set kept for tests.
    """
    if name not in SPEECH_SETS:
        raise InputError(f"set {name!r} is unknown: use one of {', '.join(sorted(SPEECH_SETS))}")
    if part not in PARTS:
        raise InputError(f"part {part!r} is unknown: use train or dev")
    speech_set = SPEECH_SETS[name]
    if part == "train" and not speech_set.may_train:
        raise InputError(f"set {name!r} is under {speech_set.licence} and kept for tests: do not train on it")
    path = speech_dir / name / f"{part}.jsonl"
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield _utterance(json.loads(line), speech_set, path.parent)


def transcribed(
    manifest: Path | None, speech_dir: Path | None, sets: Sequence[str], text_dir: Path | None = None
) -> Iterator[Utterance]:
    """Utterances with transcripts and absolute paths: of a manifest, or of the train parts of sets by name.

    Of both, what has a text or translation of a dev part of the speech or text directory is left out and
    counted in the log. Raises InputError if sets are named without the directory they lie in.
    """
    if manifest is None and speech_dir is None:
        raise InputError("sets are named, but not where they lie: give --speech-dir")
    held_out, left_out = load_held_out(speech_dir, text_dir), 0
    for one in _clips(manifest, speech_dir, sets):
        if not one.text:
            continue
        if any(held_out.holds(text) for text in (one.text, *one.translation.values())):
            left_out += 1
            continue
        yield one
    logger.info("left out: %d held out", left_out)


def _clips(manifest: Path | None, speech_dir: Path | None, sets: Sequence[str]) -> Iterator[Utterance]:
    if manifest is not None:
        yield from read_clips(manifest)
    elif speech_dir is not None:
        for name in sets:
            yield from read_speech_set(speech_dir.resolve(), name, "train")


def sets_for(speech_dir: Path, part: str) -> list[str]:
    """Names of the sets of a directory that have the part and may be used for it."""
    names = [
        name
        for name, speech_set in SPEECH_SETS.items()
        if (speech_dir / name / f"{part}.jsonl").is_file() and (part == "dev" or speech_set.may_train)
    ]
    if not names:
        raise InputError(f"{speech_dir} holds no set with a {part} part: give the directory of the sets")
    return names
