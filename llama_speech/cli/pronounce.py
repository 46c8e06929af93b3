"""`llama-speech pronounce`: show how a text will be said: its words, their phones, the pauses between.

Homographs are told apart by the words around them; with --states by the Llama, as when it speaks.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import UsageError

if TYPE_CHECKING:
    from speech_core.events import Phone, PhoneGroup, SpokenWord

STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("text", nargs="?", default=STDIN, help="what to say; - or nothing: standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object a word: phones, IPA, place")
    parser.add_argument("--ipa", action="store_true", help="one-letter IPA in place of ARPAbet")
    parser.add_argument("--lexicon", metavar="FILE", help="your own words: a line each, `Kyiv K IY1 IH0 V`")
    parser.add_argument("--states", action="store_true", help="tell homographs apart by the Llama's states")
    parser.add_argument(
        "--model", metavar="FOLDER", help="bundle with the weights (default: the shipped one)"
    )
    parser.add_argument("--llama", metavar="LLAMA", help="folder of the Llama (default: the bundle's own)")


def run(args: argparse.Namespace) -> int:
    """Print one line for each word."""
    if args.llama and not args.states:
        raise UsageError("--llama is for --states: give both")
    read = _reader(args)
    lines = iter(sys.stdin.readline, "") if args.text == STDIN else iter(args.text.splitlines(keepends=True))
    for line in lines:
        for said in _words(read(line)):
            print(_json(said) if args.json else _row(said, args.ipa), flush=True)
    return 0


def _reader(args: argparse.Namespace) -> Callable[[str], "list[PhoneGroup]"]:
    """What turns a line into groups of phones."""
    from llama_speech.bundle import read_bundle
    from tts_frontend.frontend import FrontendStream
    from tts_frontend.pronunciation import load_pronouncer
    from tts_frontend.pronunciation_lexicon import read_user_lexicon

    bundle = read_bundle(args.model)
    user = read_user_lexicon(Path(args.lexicon)) if args.lexicon else None
    pronouncer = load_pronouncer(bundle.component("pronunciation"), user)
    states = None
    if args.states:
        from llama_speech.loading import llama_source
        from llama_speech.text_states import TextStates

        llama = llama_source(bundle, args.llama)
        if not isinstance(llama, Path):
            raise UsageError(f"the Llama {llama} is not a folder: give one, or leave --states out")
        states = TextStates.from_folder(llama)

    def read(line: str) -> "list[PhoneGroup]":
        stream = FrontendStream(pronouncer)
        groups = stream.push(states.events(line)) if states else stream.push_text(line)
        return groups + stream.flush()

    return read


def _words(groups: "Iterable[PhoneGroup]") -> "Iterator[tuple[SpokenWord, list[Phone]]]":
    """Words with their phones; a pause is the last phone of the word before it."""
    number = 0
    for group in groups:
        for word in group.words:
            own = [phone for phone in group.phones if phone.word == number]
            yield word, own
            number += 1


def _row(said: "tuple[SpokenWord, list[Phone]]", ipa: bool) -> str:
    from tts_frontend.languages.en.phones import to_ipa

    word, phones = said
    symbols = [phone.symbol for phone in phones]
    text = to_ipa(symbols) if ipa else " ".join(symbols)
    return f"{word.text:16} {text or '(not said)'}" + (f"   {word.punctuation}" if word.punctuation else "")


def _json(said: "tuple[SpokenWord, list[Phone]]") -> str:
    from tts_frontend.languages.en.phones import to_ipa

    word, phones = said
    symbols = [phone.symbol for phone in phones]
    values: dict[str, object] = {"word": word.text, "phones": symbols, "ipa": to_ipa(symbols)}
    values |= {"punctuation": word.punctuation, "start": word.start, "end": word.end}
    return json.dumps(values, ensure_ascii=False)
