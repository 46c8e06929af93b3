"""The manifest: one JSON object a line for each utterance, read lazily, checked before long work starts."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from speech_core.errors import InputError
from speech_core.json_files import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Utterance:
    """One recording of one speaker; `text` is None where only the sound is known (BEST-RQ still uses it)."""

    id: str
    audio: str  # path relative to the manifest, or absolute; empty where only features are stored
    text: str | None
    language: str  # two-letter code
    speaker: str
    duration_s: float
    corpus: str
    licence: str
    translation: dict[str, str] = field(default_factory=dict)  # language -> text
    extra: dict[str, Any] = field(default_factory=dict)


_FIELDS = {f.name for f in fields(Utterance)}
_REQUIRED = ("id", "audio", "text", "language", "speaker", "duration_s", "corpus", "licence")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "audio": str,
    "text": (str, type(None)),
    "language": str,
    "speaker": str,
    "duration_s": (int, float),
    "corpus": str,
    "licence": str,
    "translation": dict,
    "extra": dict,
}


def utterance_from_dict(record: dict[str, Any], where: str = "record") -> Utterance:
    """Build an utterance from JSON. Raises InputError naming `where`, the field, and the value found."""
    missing = [name for name in _REQUIRED if name not in record]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing: add it, or make the manifest anew")
    unknown = sorted(set(record) - _FIELDS)
    if unknown:
        raise InputError(f"{where}: field {unknown[0]!r} is unknown: put it under 'extra'")
    for name, value in record.items():
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise InputError(f"{where}: field {name!r} is {value!r}, a {type(value).__name__}")
    return Utterance(**record)


def read_manifest(path: Path) -> Iterator[Utterance]:
    """Utterances of a JSONL file in file order. Raises InputError with the line number of a bad line."""
    if not path.is_file():
        raise InputError(f"manifest {path} does not exist: check its name, or run the recipe that makes it")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path.name} line {number}"
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{where}: not JSON ({error.msg}): the file may be cut short") from error
            if not isinstance(record, dict):
                raise InputError(f"{where}: a JSON object is needed, got {type(record).__name__}")
            yield utterance_from_dict(record, where)


def read_clips(path: Path) -> Iterator[Utterance]:
    """Utterances of a manifest with absolute paths of their recordings."""
    folder = path.parent.resolve()
    for utterance in read_manifest(path):
        yield replace(utterance, audio=str(folder / utterance.audio))


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write a JSONL file atomically; returns the number of utterances."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as out:
        for utterance in utterances:
            out.write(json.dumps(asdict(utterance), ensure_ascii=False) + "\n")
            count += 1
    partial.replace(path)
    return count


def write_counts(folder: Path, counts: Mapping[str, int]) -> None:
    """What was made and what was left out, into `counts.json` and the log."""
    write_json(folder / "counts.json", counts)
    logger.info("%s", ", ".join(f"{count} {what}" for what, count in counts.items()))


def validate_utterance(utterance: Utterance, root: Path, tolerance_s: float = 0.1) -> list[str]:
    """What is wrong with one utterance, in words; an empty list when nothing is.

    root: directory the audio path is relative to. A message has the id, the declared and the actual value.
    """
    import soundfile

    problems = []
    if not utterance.id:
        problems.append(f"{utterance.audio}: empty id")
    if len(utterance.language) not in (2, 3):
        problems.append(f"{utterance.id}: language {utterance.language!r} is not a two- or three-letter code")
    if utterance.text is not None and not utterance.text.strip():
        problems.append(f"{utterance.id}: text is empty, null is needed for an unknown text")
    path = root / utterance.audio
    if not utterance.audio or not path.is_file():
        return [*problems, f"{utterance.id}: audio {utterance.audio!r} does not exist"]
    try:
        actual_s = float(soundfile.info(path).duration)
    except soundfile.LibsndfileError as error:
        return [*problems, f"{utterance.id}: audio {utterance.audio!r} cannot be read ({error})"]
    start_s = utterance.extra.get("start_s")  # of a piece of a longer recording
    missing_s = (start_s or 0.0) + utterance.duration_s - actual_s
    if missing_s > tolerance_s or (start_s is None and missing_s < -tolerance_s):
        piece = "" if start_s is None else f" from {start_s} s on"
        declared = f"duration {utterance.duration_s} s{piece} declared"
        problems.append(f"{utterance.id}: {declared}, {actual_s:.3f} s found")
    return problems


def validate_manifest(path: Path, tolerance_s: float = 0.1) -> list[str]:
    """All problems of a manifest: bad records, double ids, audio missing or of another length."""
    problems: list[str] = []
    seen: set[str] = set()
    for utterance in read_manifest(path):
        if utterance.id in seen:
            problems.append(f"{utterance.id}: id occurs twice")
        seen.add(utterance.id)
        problems.extend(validate_utterance(utterance, path.parent, tolerance_s))
    return problems


def check_manifest(path: Path) -> None:
    """Raise InputError with the first problem of a manifest and how many more there are."""
    problems = validate_manifest(path)
    if problems:
        more = f" (and {len(problems) - 1} more like it)" if problems[1:] else ""
        raise InputError(f"{path.name}: {problems[0]}{more}: mend these lines or leave them out")
