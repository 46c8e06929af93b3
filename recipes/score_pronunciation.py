"""Score the letter-to-sound model on held-out words, beside the networks of g2p-en and hibari-tts.

    python -m recipes.score_pronunciation --entries DATA/lexicon/entries.tsv \
        --letters RUNS/letters/export/letters --cmudict DIR/cmudict/cmudict.dict.gz \
        [--g2p-en FOLDER/checkpoint20.npz] [--hibari] [--out letters.json]

The words are those of the test families (see train_pronunciation), which our model has not seen; both peers
may have. Every pronunciation that a dictionary gives counts as right: all variants of CMUdict, and misaki's.
Names are given with a capital, as they are written.
Prints a table; the file takes the scores as a bundle's card wants them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.loop.command import run_scoring
from recipes.loop.options import option
from recipes.prepare_lexicon import read_cmudict
from recipes.tables.pronunciation_peers import Read, g2p_en_reader, hibari_reader
from recipes.tables.pronunciation_scores import Phones, interval, record, score
from recipes.train_pronunciation import Entry, read_entries, split_of
from tts_frontend.pronunciation_letters import LetterReader


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    entries: Path = option(Path(), "entries.tsv of prepare_lexicon")
    cmudict: Path = option(Path(), "cmudict.dict, plain or with .gz")
    letters: Path = option(Path(), "letter-to-sound component")
    g2p_en: Path | None = option(None, "checkpoint20.npz of g2p-en")
    hibari: bool = option(False, "also the network of hibari-tts")
    words: int = option(2000, "words of each set at most")
    seed: int = option(0, "seed of the choice of words and of the intervals")
    out: Path | None = option(None, "file for the scores")


@dataclass(frozen=True)
class HeldOutWord:
    """A held-out word and all its readings."""

    word: str
    readings: tuple[Phones, ...]


def held_out_sets(entries: Sequence[Entry], cmu: dict[str, list[Phones]]) -> dict[str, list[HeldOutWord]]:
    """Held-out words by what they are: of misaki's gold dictionary, or of CMUdict only (mostly names)."""
    readings: dict[str, dict[Phones, None]] = {}
    sets: dict[str, str] = {}
    for entry in entries:
        word = entry.word.lower()
        if split_of(word) != "test" or not word.isalpha() or not word.isascii() or len(word) < 2:
            continue
        readings.setdefault(word, {})[entry.phones] = None
        sets[word] = {"gold": "dictionary", "cmu": sets.get(word, "names"), "silver": "rare"}[entry.source]
    for entry in entries:
        if entry.source == "gold" and entry.word.lower() in sets:
            sets[entry.word.lower()] = "dictionary"
    found: dict[str, list[HeldOutWord]] = {}
    for word, own in sorted(readings.items()):
        every = dict.fromkeys([*own, *cmu.get(word, [])])
        found.setdefault(sets[word], []).append(HeldOutWord(word, tuple(every)))
    return found


def score_with_interval(
    words: Sequence[HeldOutWord], found: Sequence[Phones], seed: int
) -> dict[str, tuple[float, float, float]]:
    """Each figure with its 95 % interval, by drawing words again."""
    pairs = [(phones, word.readings) for phones, word in zip(found, words, strict=True)]
    # Each word is scored once; totals of drawn words give the interval.
    singles = [score([pair]) for pair in pairs]
    lengths = [float(min(map(len, readings))) for _, readings in pairs]
    return {
        name: (
            value,
            *interval([single[name] for single in singles], lengths if "errors" in name else None, seed),
        )
        for name, value in score(pairs).items()
    }


def systems(config: RunConfig) -> dict[str, Read]:
    """Everything that reads, by name."""
    gold = LetterReader.load(config.letters)
    found: dict[str, Read] = {
        "llama-speech": LetterReader.load(config.letters).read,
        "llama-speech, greedy": LetterReader.load(config.letters, beam=1).read,
        "llama-speech, gold style": lambda word: gold.read(word, "gold"),
    }
    if config.g2p_en:
        found["g2p-en 2.1.0 network"] = g2p_en_reader(config.g2p_en)
    if config.hibari:
        found["hibari-tts 0.2.1 network"] = hibari_reader()
    return found


def run(config: RunConfig, show: Callable[[str], None]) -> list[dict[str, object]]:
    """Score all systems on all sets; `show` takes the rows of the table."""
    random = np.random.default_rng(config.seed)
    scores: list[dict[str, object]] = []
    show("set         words  system                     PER  PER no stress  words right  no stress  ms/word")
    readers = systems(config)
    for name, words in held_out_sets(read_entries(config.entries), read_cmudict(config.cmudict)).items():
        words = [words[n] for n in random.permutation(len(words))[: config.words]]
        for system, read in readers.items():
            start = time.process_time()
            found = [read(word.word.capitalize() if name == "names" else word.word) for word in words]
            milliseconds = (time.process_time() - start) * 1000 / len(words)
            figures = score_with_interval(words, found, config.seed)
            show(_row(name, len(words), system, figures, milliseconds))
            scores += _records(name, len(words), system, figures)
    return scores


def _row(
    name: str, count: int, system: str, figures: dict[str, tuple[float, float, float]], milliseconds: float
) -> str:
    shown = [
        f"{100 * value:5.2f} ({100 * low:.2f}-{100 * high:.2f})" for value, low, high in figures.values()
    ]
    return f"{name:11} {count:5}  {system:25} " + "  ".join(shown) + f"  {milliseconds:6.2f}"


def _records(
    name: str, count: int, system: str, figures: dict[str, tuple[float, float, float]]
) -> list[dict[str, object]]:
    signature = f"any dictionary reading counts, {count} words, bootstrap 95 %"
    data = f"unknown words ({name})"
    return [record(data, system, metric, figure, signature) for metric, figure in figures.items()]


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_scoring(RunConfig, run, __doc__ or "", argv)


if __name__ == "__main__":
    main()
