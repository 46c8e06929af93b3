"""Test sets for evaluation: a folder with a manifest, or a manifest file, read into items with a count of
what is left out. Public corpora by name and lhotse's cuts: corpora.py makes manifests of them.

A manifest is JSONL, one object a line. Field names of this project (`audio`, `text`, `language`, `speaker`,
`duration` or `duration_s`) and of NeMo (`audio_filepath`) are known. Paths are relative to the manifest.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_core.checksums import sha256_of
from speech_core.errors import InputError

MANIFEST_NAMES = (
    "dev.jsonl",
    "test.jsonl",
    "manifest.jsonl",
    "samples.jsonl",
)  # tried in this order in a folder


@dataclass(frozen=True)
class EvalItem:
    """One utterance with its reference. duration_s is what the manifest says, or None; more: its record."""

    id: str
    audio: Path
    text: str
    language: str | None
    speaker: str | None
    duration_s: float | None
    more: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class EvalSet:
    """A named test set; `dropped` counts by reason what the manifest has and the set has not."""

    name: str
    manifest: Path
    manifest_sha256: str  # as it was read
    items: tuple[EvalItem, ...]
    dropped: dict[str, int]
    language: str | None = None  # of all items; None: not chosen


def find_manifest(path: Path) -> Path:
    """Return the manifest file a user means by a folder or a file. Raises InputError when there is none."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    manifest = _manifest_in(path)
    if manifest:
        return manifest
    raise InputError(
        f"{path} has no manifest: one of {', '.join(MANIFEST_NAMES)} is needed, or name the file"
    )


def expand_paths(
    names: Sequence[str], data_dir: Path | None = None, cache_dir: Path | None = None
) -> list[Path]:
    """Return the manifests a user means: each a manifest, a folder with one, or a folder of such folders.

    With `cache_dir` also a public corpus by its name or a file of lhotse's cuts, made into a manifest there.

    A name that does not exist here is looked up below `data_dir`. Raises InputError when nothing is found.
    """
    from llama_speech.evaluation.corpora import corpus_manifest, is_lhotse, is_named, lhotse_manifest

    found: list[Path] = []
    for name in names:
        if cache_dir is not None and is_named(name):
            found.append(corpus_manifest(name, data_dir, cache_dir))
            continue
        path = Path(name)
        if not path.exists() and data_dir is not None:
            path = data_dir / name
        if cache_dir is not None and is_lhotse(path):
            found.append(lhotse_manifest(path, cache_dir))
            continue
        inner = sorted(folder for folder in path.glob("*") if folder.is_dir()) if path.is_dir() else []
        if path.is_dir() and not _manifest_in(path) and any(_manifest_in(folder) for folder in inner):
            found += [folder for folder in inner if _manifest_in(folder)]
        else:
            found.append(path)
    return [find_manifest(path) for path in found]


def _manifest_in(folder: Path) -> Path | None:
    """Return the first manifest of a folder by the usual names, or None."""
    return next((folder / name for name in MANIFEST_NAMES if (folder / name).is_file()), None)


def _records(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for each line that is not blank. Raises InputError with file and line."""
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{manifest} is not UTF-8 text: give a JSONL manifest") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{manifest}:{number} is not JSON: {error.msg}") from error
        if not isinstance(record, dict):
            raise InputError(f"{manifest}:{number} is not a JSON object")
        yield number, record


def _item(record: dict[str, Any], manifest: Path, number: int) -> EvalItem:
    """Return the item of one record whose text is there. Raises InputError when its audio is not."""
    name = record.get("audio") or record.get("audio_filepath")
    if not isinstance(name, str):
        raise InputError(f"{manifest}:{number} names no audio: field `audio` or `audio_filepath` is needed")
    audio = manifest.parent / name
    if not audio.is_file():
        raise InputError(f"{manifest}:{number}: {audio} does not exist")
    duration_s = record.get("duration_s", record.get("duration"))
    return EvalItem(
        id=str(record.get("id") or name),
        audio=audio,
        text=str(record["text"]),
        language=record.get("language"),
        speaker=record.get("speaker"),
        duration_s=float(duration_s) if duration_s is not None else None,
        more=record,
    )


def languages_of(path: Path) -> list[str]:
    """The languages that the items of a test set state, in order of first appearance."""
    manifest = find_manifest(path)
    found = (record.get("language") for _, record in _records(manifest))
    return list(dict.fromkeys(str(language) for language in found if language))


def read_set(
    path: Path, language: str | None = "en", limit: int | None = None, target: str | None = None
) -> EvalSet:
    """Read a test set: items in `language` (all when None; items that state none are kept), at most `limit`
    of them. With `target`, a code, the reference is the translation into that language.

    Items without text, of another language, or over the limit are left out and counted.
    Raises InputError on a bad manifest, missing audio, or an id that comes twice.
    """
    manifest = find_manifest(path)
    digest = sha256_of(manifest)
    items: dict[str, EvalItem] = {}
    dropped: Counter[str] = Counter()
    for number, record in _records(manifest):
        if target is not None:
            translated = (record.get("translation") or {}).get(target)
            record = {**record, "transcript": record.get("text"), "text": translated}
        if record.get("missing_audio"):
            dropped["the corpus lists it, its sound is not there"] += 1
        elif record.get("text") is None:
            dropped[f"no translation into {target}" if target else "no reference text"] += 1
        elif language and record.get("language") not in (None, language):
            dropped[f"language is not {language}"] += 1
        elif limit is not None and len(items) >= limit:
            dropped[f"over the limit of {limit}"] += 1
        else:
            item = _item(record, manifest, number)
            if item.id in items:
                raise InputError(f"{manifest}:{number}: the id {item.id} comes twice")
            items[item.id] = item
    name = manifest.parent.name if manifest.name in MANIFEST_NAMES else manifest.stem
    return EvalSet(name, manifest, digest, tuple(items.values()), dict(dropped), language)
