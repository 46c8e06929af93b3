"""What every recipe does as a command: log, read its options, and say in one line what the user can mend."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from recipes.loop import options
from speech_core.errors import SpeechError
from speech_core.json_files import write_json

Options = TypeVar("Options")
Result = TypeVar("Result")


class ScoringConfig(Protocol):
    """Options of a recipe that scores: where the scores go, if anywhere, among them."""

    @property
    def out(self) -> Path | None:
        """The JSON file."""


Scored = TypeVar("Scored", bound=ScoringConfig)


def configure_logging() -> None:
    """Progress of a recipe on standard error."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S"
    )


@contextmanager
def errors_in_one_line(work: Callable[..., Any]) -> Iterator[None]:
    """Exit with one line for what the user can mend; it begins with the name of the file that has `work`."""
    try:
        yield
    except SpeechError as error:
        raise SystemExit(f"{Path(inspect.getfile(work)).stem}: {error}") from None


def run_command(
    options_type: type[Options],
    work: Callable[[Options], Result],
    description: str,
    argv: Sequence[str] | None,
) -> Result:
    """Do `work` with the options of a command line, and return what it returns."""
    configure_logging()
    chosen: Options = options.parse(options_type, description, argv)
    with errors_in_one_line(work):
        return work(chosen)


def run_scoring(
    options_type: type[Scored],
    score: Callable[[Scored, Callable[[str], None]], Any],
    description: str,
    argv: Sequence[str] | None,
) -> None:
    """Score as a command line says: rows of the table are printed, scores written to `--out` as JSON."""
    configure_logging()
    chosen: Scored = options.parse(options_type, description, argv)
    with errors_in_one_line(score):
        scores = score(chosen, print)
    if chosen.out is not None:
        write_json(chosen.out, scores)
