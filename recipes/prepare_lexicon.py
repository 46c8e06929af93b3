"""Merge misaki's American dictionaries and CMUdict into the lexicon that is shipped.

    python -m recipes.prepare_lexicon --cmudict DIR/cmudict/cmudict.dict.gz --out DATA/lexicon

misaki first (Apache-2.0; read from the files inside hibari-tts unless --misaki names a folder), gold before
silver, because the teacher voice speaks with it; then CMUdict (BSD) for what it lacks, mostly names. A
regular form is left out where the word it is made of, and the rule, sound the same but for the quality of
vowels: so dogs has the vowel of dog. Writes `lexicon.zlib` (shipped), `entries.tsv` (word, phones, source:
what the letter-to-sound model learns from) and `variants.json` (readings by part of speech).
"""

import gzip
import importlib.util
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.checkpoint import write_json
from speech_core.errors import InputError
from tts_frontend.languages.en.phones import canonical, from_ipa
from tts_frontend.languages.en.word_rules import LETTERS, add_ending, forms
from tts_frontend.pronunciation_lexicon import Phones, write_lexicon

logger = logging.getLogger(__name__)

_VARIANT = re.compile(r"\(\d+\)$")


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    cmudict: Path = option(Path(), "cmudict.dict, plain or with .gz")
    misaki: Path | None = option(None, "folder with us_gold.json and us_silver.json (default: in hibari-tts)")
    out: Path = option(Path(), "folder to write")


def read_cmudict(path: Path) -> dict[str, list[Phones]]:
    """Words in small letters with all their pronunciations, the first one first."""
    entries: dict[str, list[Phones]] = {}
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            word, *phones = str(line).split("#")[0].split()
            entries.setdefault(_VARIANT.sub("", word), []).append(canonical(phones))
    return entries


def read_misaki(folder: Path | None, name: str) -> dict[str, dict[str, Phones]]:
    """A dictionary of misaki, gold or silver: word -> part of speech -> phones; DEFAULT is always there."""
    path = folder / f"us_{name}.json" if folder else _in_hibari(name)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): install hibari-tts, or give --misaki") from None
    entries = {}
    for word, value in json.loads(data).items():
        readings = {"DEFAULT": value} if isinstance(value, str) else value
        found = {tag: canonical(from_ipa(ipa)) for tag, ipa in readings.items() if ipa}
        if found.get("DEFAULT"):
            entries[word] = found
    return entries


def _in_hibari(name: str) -> Path:
    spec = importlib.util.find_spec("hibari")
    if spec is None or spec.origin is None:
        raise InputError("hibari-tts is not installed: pip install hibari-tts, or give --misaki")
    return Path(spec.origin).parent / "assets" / f"lexicon_us_{name}.json.gz"


def load_dictionary(misaki: Path | None, cmudict: Path) -> dict[str, list[Phones]]:
    """Every pronunciation of misaki's gold dictionary and of CMUdict, by word in small letters."""
    dictionary: dict[str, list[Phones]] = {}
    for word, readings in read_misaki(misaki, "gold").items():
        dictionary.setdefault(word.lower(), []).extend(readings.values())
    for word, variants in read_cmudict(cmudict).items():
        dictionary.setdefault(word, []).extend(variants)
    return dictionary


def sounds_like(one: Phones, other: Phones) -> bool:
    """Equal but for the quality and stress of vowels."""
    return [_rough(phone) for phone in one] == [_rough(phone) for phone in other]


def _rough(phone: str) -> str:
    return "vowel" if phone[-1] in "012" else phone


def by_rule(word: str, known: Mapping[str, Phones]) -> Phones | None:
    """A regular form of a known word, as the Pronouncer would make it."""
    stem = next((form for form in forms(word) if form.stem in known), None)
    return add_ending(known[stem.stem], stem.ending) if stem else None


def merge(
    gold: Mapping[str, Phones], silver: Mapping[str, Phones], cmu: Mapping[str, Phones]
) -> dict[str, Phones]:
    """The entries worth shipping; a word with a capital stays only where it differs from the small one."""
    merged: dict[str, Phones] = {word: phones for word, phones in gold.items() if word == word.lower()}
    for word, phones in gold.items():
        if merged.setdefault(word.lower(), phones) != phones:
            merged[word] = phones
    for source in (silver, cmu):
        for word, phones in source.items():
            made = by_rule(word, merged)
            if word.lower() not in merged and (made is None or not sounds_like(made, phones)):
                merged[word.lower()] = phones
    return {word: phones for word, phones in merged.items() if word.lower() not in LETTERS}


def entry_lines(sources: Mapping[str, Mapping[str, Phones]]) -> Iterator[str]:
    """`word<TAB>phones<TAB>source` of every source, for training."""
    for name, entries in sources.items():
        yield from (f"{word}\t{' '.join(phones)}\t{name}\n" for word, phones in entries.items())


def prepare(config: RunConfig) -> dict[str, Phones]:
    """Write the files; returns what is shipped."""
    gold, silver = read_misaki(config.misaki, "gold"), read_misaki(config.misaki, "silver")
    sources = {
        "gold": {word: readings["DEFAULT"] for word, readings in gold.items()},
        "cmu": {word: variants[0] for word, variants in read_cmudict(config.cmudict).items()},
        "silver": {word: readings["DEFAULT"] for word, readings in silver.items()},
    }
    merged = merge(sources["gold"], sources["silver"], sources["cmu"])
    config.out.mkdir(parents=True, exist_ok=True)
    write_lexicon(config.out / "lexicon.zlib", merged)
    (config.out / "entries.tsv").write_text("".join(entry_lines(sources)), encoding="utf-8")
    variants = {word: readings for word, readings in gold.items() if len(set(readings.values())) > 1}
    write_json(config.out / "variants.json", variants)
    return merged


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%d words written", len(run_command(RunConfig, prepare, __doc__ or "", argv)))


if __name__ == "__main__":
    main()
