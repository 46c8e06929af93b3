"""What a user sees while a command works: results on standard output, all else on standard error."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = "llama-speech"
_BAR = "{percentage:3.0f}% |{bar:30}| {n:.0f} of {total:.0f} s of audio, {elapsed} passed, {remaining} left"
_BAR_OPEN_END = "{n:.0f} s of audio, {elapsed} passed"


class Display:
    """A progress bar where there is a terminal, and lines that do not tear it. Use as a context manager."""

    def __init__(self, quiet: bool, progress: bool) -> None:
        self._quiet = quiet
        self._shown = progress or (sys.stderr.isatty() and not quiet)
        self._bar: Any = None

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, paths: Sequence[Path | None]) -> None:
        """Show the bar; its length is what the headers of the files say."""
        if not self._shown:
            return
        from tqdm import tqdm

        from speech_core.audio import probe_duration_s

        # A file without a length is one that will fail; only standard input can be of any length.
        total_s = None if None in paths else sum(probe_duration_s(path) or 0.0 for path in paths if path)
        self._bar = tqdm(
            total=total_s,
            bar_format=_BAR if total_s else _BAR_OPEN_END,
            file=sys.stderr,
            leave=True,
        )

    def advance(self, done_s: float) -> None:
        """So many seconds of audio are done."""
        if self._bar is not None:
            room = self._bar.total - self._bar.n if self._bar.total else done_s
            self._bar.update(min(done_s, room))

    def result(self, text: str) -> None:
        """Print to standard output, now."""
        if not text:
            return
        with self._without_bar():
            sys.stdout.write(text)
            sys.stdout.flush()

    def problem(self, line: str) -> None:
        """One line about what failed."""
        with self._without_bar():
            print(f"{PROGRAM}: {' '.join(line.split())}", file=sys.stderr)

    def note(self, line: str) -> None:
        """One line that `--quiet` leaves out."""
        if not self._quiet:
            self.problem(line)

    def _without_bar(self) -> Any:
        if self._bar is None:
            from contextlib import nullcontext

            return nullcontext()
        from tqdm import tqdm

        return tqdm.external_write_mode(file=sys.stderr)
