"""Where results go: names of the files, so that no recording overwrites another's."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from llama_speech.cli._inputs import Recording
from llama_speech.cli._options import UsageError


def output_names(recordings: Sequence[Recording]) -> list[Path]:
    """A name without suffix for each recording: its own, with more of its path where two would be the same.

    Raises UsageError if even whole paths do not tell two apart.
    """
    candidates = [_candidates(recording, _common_folder(recordings)) for recording in recordings]
    levels = [0] * len(recordings)
    while True:
        names = [options[level] for options, level in zip(candidates, levels, strict=True)]
        counts = Counter(str(name).casefold() for name in names)
        clashing = [place for place, name in enumerate(names) if counts[str(name).casefold()] > 1]
        if not clashing:
            return names
        if all(levels[place] == len(candidates[place]) - 1 for place in clashing):
            pair = " and ".join(recordings[place].name for place in clashing[:2])
            raise UsageError(f"{pair} would write the same file {names[clashing[0]]}: transcribe them apart")
        for place in clashing:
            levels[place] = min(levels[place] + 1, len(candidates[place]) - 1)


def check_file(path: Path) -> None:
    """Refuse a file that cannot be written, before any work. Raises UsageError."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")
    _check_permission(path if path.exists() else path.parent, path)


def check_folder(path: Path) -> None:
    """Refuse a folder that can neither be used nor made, before any work. Raises UsageError."""
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is not a folder")
    _check_permission(there, path)


def _check_permission(place: Path, path: Path) -> None:
    if not os.access(place, os.W_OK):
        raise UsageError(f"{path} cannot be written: no permission for {place}")


def _candidates(recording: Recording, common: Path) -> list[Path]:
    """Names from short to long: without suffix, with the folders above, with the suffix as well."""
    longer = Path(os.path.relpath(recording.path.resolve(), common)) if recording.path else recording.inside
    return [_stem(recording.inside), _stem(longer), longer]


def _stem(path: Path) -> Path:
    return path.with_name(path.stem)


def _common_folder(recordings: Sequence[Recording]) -> Path:
    """The deepest folder that holds all files."""
    folders = [str(recording.path.resolve().parent) for recording in recordings if recording.path]
    try:
        return Path(os.path.commonpath(folders)) if folders else Path()
    except ValueError:  # on several drives
        return Path()
