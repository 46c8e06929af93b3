"""From the words of a command line to recordings: files, folders, patterns, standard input."""

import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from llama_speech.cli._options import UsageError
from speech_core.sources import source_name

STDIN = "-"


@dataclass(frozen=True)
class Recording:
    """One recording; `inside` is its path within the folder that was named, if one was."""

    name: str  # as messages and results call it
    path: Path | None  # None: standard input
    inside: Path

    def open(self) -> "Path | IO[bytes]":
        """What the audio decoder takes."""
        return self.path if self.path is not None else sys.stdin.buffer


def expand(words: Sequence[str]) -> tuple[list[Recording], list[str]]:
    """Recordings in order, each once; and one line for each word that leads to none.

    Raises UsageError if standard input is named twice.
    """
    if words.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    recordings: dict[str, Recording] = {}
    problems: list[str] = []
    for word in words:
        found, problem = _expand_word(word)
        problems += [problem] if problem else []
        for recording in found:
            key = str(recording.path.resolve()) if recording.path else STDIN
            recordings.setdefault(key, recording)
    return list(recordings.values()), problems


def _expand_word(word: str) -> tuple[list[Recording], str | None]:
    if word == STDIN:
        return [Recording("standard input", None, Path("stdin"))], None
    if not word.strip():
        return [], "(empty name): no such file"
    path = Path(word)
    try:
        if path.is_dir():
            found = _in_folder(path)
            return found, None if found else f"{word}: holds no audio files"
        if path.exists():
            return [_file(path)], None
    except (OSError, ValueError) as error:
        return [], f"{word}: {error}"
    if not glob.has_magic(word):
        return [], f"{word}: no such file"
    matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207 (absolute patterns)
    found = [
        recording
        for match in matches
        for recording in (_in_folder(match) if match.is_dir() else [_file(match)])
    ]
    return found, None if found else f"{word}: no file matches"


def _file(path: Path) -> Recording:
    return Recording(source_name(path), path, Path(path.name))


def _in_folder(folder: Path) -> list[Recording]:
    """Audio files below a folder, sorted; hidden ones are left out."""
    from speech_core.audio import AUDIO_SUFFIXES

    return [
        Recording(source_name(path), path, path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
