"""`llama-speech COMMAND`: finds the commands, parses, and turns errors into one line and an exit code.

A command is a file of this folder without an underscore in front: a docstring whose first line is its help,
`add_arguments(parser)` and `run(args) -> int`. Nothing heavy is imported before a command runs.

Exit codes: 0 all done, 1 something failed, 2 wrong usage, 130 interrupted.
"""

import argparse
import errno
import io
import logging
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import llama_speech
from llama_speech.cli._options import UsageError, summary_of
from speech_core.errors import SpeechError

PROGRAM = "llama-speech"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    _open_closed_streams()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="strict")  # in some locales Python would take any bytes for text
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter the terminal cannot show is no failure
    arguments = hyphenated(sys.argv[1:] if argv is None else argv)
    parser = build_parser(arguments)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as leaving:  # argparse has printed why
        return leaving.code if isinstance(leaving.code, int) else WRONG_USAGE
    configure_logging(quiet=getattr(args, "quiet", False), debug=args.debug)
    return _run(args)


def _open_closed_streams() -> None:
    """A standard stream that the caller closed: nothing to read, no complaints, and writing to it fails."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 (as long as the program runs, here and below)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def command_names() -> list[str]:
    """All commands, in alphabetical order."""
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in modules if not name.startswith("_") and name != "main")


def hyphenated(arguments: Sequence[str]) -> list[str]:
    """Option names with hyphens; and `--name True`, as Whisper writes switches, as a switch."""
    result: list[str] = []
    options = True
    for argument in arguments:
        if argument == "--":
            options = False
        if options and re.match(r"--[a-z]", argument):
            name, equals, value = argument.partition("=")
            argument = name.replace("_", "-") + equals + value
        if options and argument in ("True", "False") and result and result[-1] in _SWITCHES:
            if argument == "False":
                result[-1] = result[-1].replace("--", "--no-", 1)
            continue
        result.append(argument)
    return result


_SWITCHES = ("--word-timestamps", "--vad")


class _Parser(argparse.ArgumentParser):
    """A parser, and those of its commands, that answer a wrong use with one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit."""
        self.exit(WRONG_USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is asked for is imported, all of them for the general help."""
    parser = _Parser(
        prog=PROGRAM,
        description="Ears and a voice for a frozen Llama.",
        epilog=f"To begin: `{PROGRAM} transcribe FILE`. `{PROGRAM} COMMAND --help` explains a command; when "
        f"something fails, `{PROGRAM} doctor` says what to do.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {llama_speech.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    names = command_names()
    asked = next((argument for argument in arguments if argument in names), None)
    for name in [asked] if asked else names:
        module = import_module(f"llama_speech.cli.{name}")
        summary = summary_of(module)
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.add_argument(
            "-V", "--version", action="version", version=f"{PROGRAM} {llama_speech.__version__}"
        )
        command.set_defaults(run=module.run)
    return parser


def configure_logging(quiet: bool, debug: bool) -> None:
    """Messages of the libraries to standard error, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{PROGRAM}: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO
    logging.getLogger("llama_speech").setLevel(level)


def _run(args: argparse.Namespace) -> int:
    """Run the command; errors become one line on standard error, with a traceback only for `--debug`."""
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # nobody reads on
        _drop_output()
        return FAILED
    except SpeechError as error:
        return _failed(args, str(error), WRONG_USAGE if isinstance(error, UsageError) else FAILED)
    except UnicodeDecodeError as error:
        wrong = f"the text is not {error.encoding.upper()} ({error.reason} at {error.start}): convert it"
        return _failed(args, wrong, FAILED)
    except OSError as error:
        if error.errno in _NOT_WRITTEN:
            _drop_output()
            return _failed(args, f"the output cannot be written: {error.strerror}", FAILED)
        if error.filename is None:
            return _failed(args, f"internal error: {error} (see --debug)", FAILED)
        return _failed(args, f"{error.filename}: {error.strerror}: check the path", FAILED)
    except Exception as error:  # noqa: BLE001 (the edge: whatever went wrong gets one line)
        return _failed(args, f"internal error: {type(error).__name__}: {error} (see --debug)", FAILED)


_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _drop_output() -> None:
    """If standard output cannot be written, drop the rest: else Python complains again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(args: argparse.Namespace, message: str, code: int) -> int:
    if args.debug:
        traceback.print_exc()
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
