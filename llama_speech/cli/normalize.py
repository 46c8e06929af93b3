"""`llama-speech normalize`: write text as it is said: numbers, dates, money, abbreviations, Markdown.

English readings are chosen by the trained tagger with the Llama's states; with --no-llama by the tagger
alone, with --rules by the rules alone. Other languages have rules alone.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from llama_speech.cli._options import UsageError, wrong_usage

if TYPE_CHECKING:
    from llama_speech.normalization import Chooser, TextReader
    from tts_frontend.config import NormalizerConfig
    from tts_frontend.normalizer_rules import Spoken

STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from tts_frontend.config import LANGUAGES, RIGHT_CONTEXT, SENTENCE_LOOKAHEAD

    parser.add_argument("text", nargs="?", default=STDIN, help="what to read; - or nothing: standard input")
    parser.add_argument(
        "--language", default="en", choices=LANGUAGES, help="language of the text (default: en)"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: words, rules, source spans"
    )
    parser.add_argument(
        "--explain", action="store_true", help="show the rules considered for each token, with scores"
    )
    parser.add_argument(
        "--lookahead",
        type=int,
        default=RIGHT_CONTEXT,
        metavar="TOKENS",
        help=f"tokens behind what is read that may be looked at, 0 to {SENTENCE_LOOKAHEAD} (default: "
        f"{RIGHT_CONTEXT})",
    )
    _add_choice(parser)
    _add_locale(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("choice of readings")
    group.add_argument("--rules", action="store_true", help="by the rules alone: nothing is loaded")
    group.add_argument("--no-llama", action="store_true", help="by the tagger without the Llama's states")
    group.add_argument("--model", metavar="FOLDER", help="bundle with the tagger (default: the shipped one)")
    group.add_argument("--llama", metavar="FOLDER", help="folder of the Llama (default: the bundle's own)")


def _add_locale(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("locale")
    group.add_argument(
        "--date-order", default="mdy", choices=["mdy", "dmy"], help="of 1/4/2024 (default: mdy)"
    )
    group.add_argument(
        "--date-style",
        default="written",
        choices=["written", "day_month", "month_day"],
        help="order of day and month when they are said (default: as written)",
    )
    group.add_argument("--number-and", action="store_true", help='"one hundred and five"')
    group.add_argument(
        "--zero", default="o", choices=["o", "oh", "zero"], help="in 1905 and 10:05 (default: o)"
    )
    group.add_argument("--hours", type=int, default=24, choices=[12, 24], help="of 17:30 (default: 24)")
    group.add_argument(
        "--code", default="read", choices=["read", "skip"], help="blocks of code (default: read)"
    )
    group.add_argument("--emoji", default="name", choices=["name", "skip"], help="emoji (default: name)")


def run(args: argparse.Namespace) -> int:
    """Print one line for each line of text."""
    from llama_speech.normalization import TextReader

    config, chooser = _config(args), _chooser(args)
    reader = TextReader(config, chooser, args.explain)
    lines = _stdin_lines(sys.stdin) if args.text == STDIN else iter([args.text])
    if args.json or args.explain:
        write = _json_lines if args.json else _explained_lines
        for line in write(_spoken_lines(lines, reader)):
            print(line, flush=True)
    else:
        _write_text(lines, reader)
    return 0


def _chooser(args: argparse.Namespace) -> "Chooser":
    from llama_speech.normalization import RULES_ALONE, load_chooser

    if args.rules and (args.no_llama or args.model or args.llama):
        raise UsageError("--rules loads nothing: leave out --no-llama, --model and --llama")
    if args.no_llama and args.llama:
        raise UsageError("--llama and --no-llama contradict each other: give one of them")
    if args.rules or args.language != "en":
        return RULES_ALONE
    return load_chooser(args.model, args.llama, not args.no_llama)


def _config(args: argparse.Namespace) -> "NormalizerConfig":
    from tts_frontend.config import NormalizerConfig, ReadingOptions

    reading = ReadingOptions(
        date_order=args.date_order,
        date_style=args.date_style,
        number_and=args.number_and,
        zero=args.zero,
        hours=args.hours,
        code=args.code,
        emoji=args.emoji,
    )
    with wrong_usage():
        return NormalizerConfig(language=args.language, lookahead_tokens=args.lookahead, reading=reading)


def _stdin_lines(stream: TextIO) -> Iterator[str]:
    """Pieces of standard input of bounded size, a line at most."""
    while piece := stream.readline(4096):
        yield piece


def _write_text(pieces: Iterable[str], normalizer: "TextReader") -> None:
    """Print the spoken text as soon as it is certain."""
    from tts_frontend.normalizer_rules import TextJoiner

    joiner, last = TextJoiner(), "\n"
    for piece in pieces:
        text = "".join(joiner.add(spoken.text) for spoken in normalizer.push(piece))
        sys.stdout.write(text)
        sys.stdout.flush()
        last = text[-1:] or last
    text = "".join(joiner.add(spoken.text) for spoken in normalizer.flush())
    sys.stdout.write(text if (text or last)[-1:] == "\n" else text + "\n")


def _spoken_lines(pieces: Iterable[str], normalizer: "TextReader") -> Iterator[tuple[str, list["Spoken"]]]:
    """Every written line with what is said for it; offsets count from the start of the line."""
    written, start, line = "", 0, list["Spoken"]()
    for piece in _and_none(pieces):
        written += piece or ""
        for spoken in normalizer.push(piece) if piece is not None else normalizer.flush():
            if "\n" in spoken.text:
                yield written[: spoken.start - start], line
                written, start, line = written[spoken.end - start :], spoken.end, []
            else:
                line.append(spoken._replace(start=spoken.start - start, end=spoken.end - start))
    if written or line:
        yield written, line


def _and_none(pieces: Iterable[str]) -> Iterator[str | None]:
    yield from pieces
    yield None


def _json_lines(lines: Iterable[tuple[str, list["Spoken"]]]) -> Iterator[str]:
    from tts_frontend.normalizer_rules import spoken_text

    for written, line in lines:
        tokens = []
        for spoken in line:
            token: dict[str, object] = {
                "written": written[spoken.start : spoken.end],
                "spoken": spoken.text.strip(),
                "rule": spoken.rule,
                "start": spoken.start,
                "end": spoken.end,
            }
            if spoken.considered:
                token["considered"] = [
                    {"rule": r.rule, "spoken": r.spoken, "score": r.score, **_odds(spoken, r.rule)}
                    for r in spoken.considered
                ]
            tokens.append(token)
        yield json.dumps(
            {"written": written, "spoken": spoken_text(line), "tokens": tokens}, ensure_ascii=False
        )


def _explained_lines(lines: Iterable[tuple[str, list["Spoken"]]]) -> Iterator[str]:
    from tts_frontend.normalizer_rules import spoken_text

    for written, line in lines:
        yield spoken_text(line)
        for spoken in line:
            if spoken.rule in ("space", "keep") and len(spoken.considered) < 2:
                continue
            yield f"  {written[spoken.start : spoken.end]!r}: {spoken.rule}, {spoken.text.strip()!r}"
            for reading in spoken.considered:
                odds = _odds(spoken, reading.rule).get("probability")
                share = "" if odds is None else f" {100 * odds:5.1f} %"
                yield f"    {reading.score:5.1f}{share} {reading.rule:20} {reading.spoken!r}"


def _odds(spoken: "Spoken", rule: str) -> dict[str, float]:
    """What the tagger gave a rule there, if it was asked."""
    found = dict(spoken.odds).get(rule)
    return {} if found is None else {"probability": round(found, 4)}
