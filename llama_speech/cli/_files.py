"""Many recordings through one command: options, files to write, results to print. Shared by commands."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_speech.cli._display import Display
from llama_speech.cli._inputs import Recording, expand
from llama_speech.cli._options import UsageError, positive, wrong_usage
from llama_speech.cli._outputs import check_folder, output_names
from llama_speech.languages import find_language
from llama_speech.writers import FORMATS, render, write_atomically
from speech_core.errors import SpeechError

if TYPE_CHECKING:
    from llama_speech.results import Transcription

_STREAMABLE = ("txt", "json", "jsonl")  # formats of which several results can share standard output

# Loads the model and yields one outcome for each recording: (options, recordings, progress).
Work = Callable[
    [argparse.Namespace, Iterable[Any], Callable[[float], None]], Iterator["Transcription | SpeechError"]
]


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """The recordings."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="audio files, folders, patterns, or - for standard input"
    )


def add_listening_options(parser: argparse.ArgumentParser) -> None:
    """How recordings are read and cut."""
    parser.add_argument(
        "--vad",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find the speech first (default: yes)",
    )
    parser.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="pieces of audio at once (default: 8)"
    )
    parser.add_argument("--allow-damaged", action="store_true", help="read truncated files as far as they go")


def listening(args: argparse.Namespace, progress: Callable[[float], None]) -> dict[str, Any]:
    """What `add_listening_options` chose, as the model takes it."""
    return {
        "vad": args.vad,
        "batch_size": args.batch_size,
        "allow_damaged": args.allow_damaged,
        "progress": progress,
    }


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Where results go, and in which form."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-f",
        "--output-format",
        action="append",
        choices=[*FORMATS, "all"],
        help="repeatable (default: txt)",
    )
    group.add_argument(
        "-o", "--output-dir", type=Path, metavar="FOLDER", help="write files here (default: standard output)"
    )
    existing = group.add_mutually_exclusive_group()
    existing.add_argument(
        "--skip-existing", action="store_true", help="leave out what has been written already"
    )
    existing.add_argument("--overwrite", action="store_true", help="replace files that exist")
    group.add_argument("--fail-fast", action="store_true", help="stop at the first file that fails")
    group.add_argument("--quiet", action="store_true", help="only errors on standard error")
    group.add_argument("--progress", action="store_true", help="a progress bar even without a terminal")


@dataclass(frozen=True)
class _Task:
    """One recording and the files it becomes (none: standard output)."""

    recording: Recording
    targets: dict[str, Path]  # format -> file


def run_files(args: argparse.Namespace, work: Work) -> int:
    """Do the work; return 0, or 1 if any file failed. Raises UsageError before any of it."""
    formats = _formats(args.output_format)
    recordings, problems = expand(args.files)
    _check_standard_output(args, formats, len(recordings))
    tasks, refused = _plan(recordings, formats, args)
    with Display(args.quiet, args.progress) as display:
        for problem in problems + refused:
            display.problem(problem)
            if args.fail_fast:
                return 1
        if not tasks:
            return 1 if problems or refused else 0
        failures = _do(tasks, formats[0], args, (work, display))
    return 1 if problems or refused or failures else 0


def check_language(language: str) -> None:
    """Refuse a language nobody knows before any work; which ones the model knows is seen later."""
    with wrong_usage():
        find_language(language)


def _formats(chosen: Sequence[str] | None) -> list[str]:
    """The formats without repetition."""
    names = chosen or ["txt"]
    return list(FORMATS) if "all" in names else list(dict.fromkeys(names))


def _check_standard_output(args: argparse.Namespace, formats: list[str], files: int) -> None:
    """Refuse what cannot be told apart on standard output."""
    if args.output_dir is not None:
        return
    if len(formats) > 1:
        raise UsageError(f"several formats ({', '.join(formats)}) need a folder: add --output-dir")
    if files > 1 and formats[0] not in _STREAMABLE:
        raise UsageError(f"{formats[0]} of several files needs a folder: add --output-dir")
    if args.skip_existing or args.overwrite:
        raise UsageError("--skip-existing and --overwrite are about files: add --output-dir")


def _plan(
    recordings: list[Recording], formats: list[str], args: argparse.Namespace
) -> tuple[list[_Task], list[str]]:
    """What is to be done; and a line for each recording whose files exist already."""
    if args.output_dir is None:
        return [_Task(recording, {}) for recording in recordings], []
    check_folder(args.output_dir)
    tasks, refused = [], []
    for recording, name in zip(recordings, output_names(recordings), strict=True):
        targets = {one: args.output_dir / name.with_name(f"{name.name}.{one}") for one in formats}
        existing = [path for path in targets.values() if path.exists()]
        if args.skip_existing and len(existing) == len(targets):
            continue
        if existing and not (args.overwrite or args.skip_existing):
            refused.append(f"{recording.name}: {existing[0]} exists: pass --overwrite or --skip-existing")
            continue
        tasks.append(_Task(recording, targets))
    return tasks, refused


def _do(tasks: list[_Task], output_format: str, args: argparse.Namespace, how: tuple[Work, Display]) -> int:
    """Do all tasks and give out the results; return how many failed."""
    work, display = how
    display.start([task.recording.path for task in tasks])
    outcomes = work(args, (task.recording.open() for task in tasks), display.advance)
    printer = _Printer(output_format, several=len(tasks) > 1)
    failures = 0
    for task, outcome in zip(tasks, outcomes, strict=True):
        try:
            _give_out(task, outcome, printer, display)
        except SpeechError as error:
            failures += 1
            display.problem(_with_name(str(error), task.recording.name))
            if args.fail_fast:
                break
    display.result(printer.end())
    return failures


def _give_out(
    task: _Task, outcome: "Transcription | SpeechError", printer: "_Printer", display: Display
) -> None:
    """Write or print one result. Raises the SpeechError of a recording that failed."""
    if isinstance(outcome, SpeechError):
        raise outcome
    name = task.recording.name
    if not outcome.segments:
        display.note(f"{name}: no speech found in {outcome.duration_s:.1f} s")
    for output_format, path in task.targets.items():
        write_atomically(path, render(outcome, output_format, name))
    if not task.targets:
        display.result(printer.text(outcome, name))


def _with_name(message: str, name: str) -> str:
    """Errors of decoding begin with the name; others get it here."""
    return message if message.startswith(name) else f"{name}: {message}"


class _Printer:
    """Results on standard output: one bare, several so that each can be told apart."""

    def __init__(self, output_format: str, several: bool) -> None:
        self._format, self._several = output_format, several
        self._printed = 0

    def text(self, result: "Transcription", name: str) -> str:
        """What to print for one result."""
        self._printed += 1
        if not self._several or self._format == "jsonl":
            return render(result, self._format, name)
        if self._format == "txt":
            blank = "\n" if self._printed > 1 else ""
            return f"{blank}==> {name} <==\n{render(result, 'txt', name)}"
        opening = "[\n" if self._printed == 1 else ",\n"
        values: dict[str, Any] = {"file": name, **result.to_dict()}
        return opening + json.dumps(values, ensure_ascii=False, indent=2)

    def end(self) -> str:
        """What to print after the last result: several json results are one list."""
        if self._format != "json" or not self._several:
            return ""
        return "\n]\n" if self._printed else "[]\n"
