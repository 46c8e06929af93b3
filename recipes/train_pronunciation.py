"""Train the letter-to-sound model on the dictionaries of `prepare_lexicon`.

    python -m recipes.train_pronunciation --entries DATA/lexicon/entries.tsv --run-dir RUNS/letters \
        --max-steps 6000 --learning-rate 2e-3
    ... --preset tiny --max-steps 50              # for a look

Letters and phones are aligned first (kept in the run folder). Words of one family (same stem) are all in
training or all held out: 2 % for development, 2 % for the test, by a checksum of the stem. The evaluation
reads held-out words greedily; `recipes.score_pronunciation` compares with other systems.
"""

import json
import logging
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.data.batching import ShuffledBatches
from recipes.data.letter_alignment import align, estimate
from recipes.loop.options import option
from recipes.loop.recipe import run_recipe
from recipes.tables.pronunciation_scores import score
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component, write_json
from speech_core.errors import InputError
from tts_frontend.pronunciation_letters import (
    LetterInputs,
    LetterModel,
    LetterReader,
    LettersConfig,
    letter_ids,
    stress_state,
)

logger = logging.getLogger(__name__)

Phones = tuple[str, ...]

PRESETS = {
    "tiny": LettersConfig(("",), window=3, history=2, d_model=48, d_label=16, num_layers=1),
    "small": LettersConfig(("",)),
}
_PREFIX = re.compile(
    r"^(anti|counter|hyper|inter|micro|multi|non|over|out|post|pre|re|semi|sub|super|un|under)"
)
_SUFFIX = re.compile(
    r"('s|s'|s|es|ed|d|ing|er|ers|or|ly|ness|less|ful|ment|ments|able|ability|ist|ism|ization|ize|al|ic|y|e|'|"
    r"ation|ion|ions|ity|ish|like|man|men|ship|ous|ive|ian|an)$"
)
_RARE = 5  # a label seen less often is an error of a dictionary
_ALIGNED_WORDS = 20_000  # enough to estimate which phones a letter gives


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    entries: Path = option(Path(), "entries.tsv of prepare_lexicon")
    preset: str = option("small", "sizes", choices=PRESETS)
    sources: tuple[str, ...] = option(("gold", "cmu", "silver"), "dictionaries to learn from")
    batch_letters: int = option(4096, "letters of one batch")
    evaluation_words: int = option(1000, "held-out words the evaluation reads")
    limit: int = option(0, "entries, for a trial; 0 = all")


class Entry(NamedTuple):
    """One pronunciation and the dictionary it is from."""

    word: str
    phones: Phones
    source: str


def read_entries(path: Path) -> list[Entry]:
    """Entries that letters can tell: no signs and digits in the word. Raises InputError for a bad file."""
    entries = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            word, phones, source = line.split("\t")
            if letter_ids(word) and not re.search(r"[^\w']|[\d_]", word):
                entries.append(Entry(word, tuple(phones.split()), source))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no list of entries ({error}): run recipes.prepare_lexicon") from None
    return entries


def family(word: str) -> str:
    """A crude stem, so that forms of one word and derivations of it share it."""
    stem = word.lower()
    while len(stem) > 6 and (match := _PREFIX.match(stem)):
        stem = stem[match.end() :]
    while len(stem) > 4 and (match := _SUFFIX.search(stem)) and match.start() >= 4:
        stem = stem[: match.start()]
    return re.sub(r"(.)\1$", r"\1", stem)


def split_of(word: str) -> str:
    """train, dev or test, by family."""
    bucket = zlib.crc32(family(word).encode()) % 50
    return {0: "test", 1: "dev"}.get(bucket, "train")


@dataclass(frozen=True)
class AlignedWords:
    """All words in one row, `window` zeros between them: every array (items,) int64.

    letters: ids; labels: ids + 1, 0 between words; state, style: of each letter; places: where letters are.
    """

    letters: Tensor
    labels: Tensor
    state: Tensor
    style: Tensor
    places: Tensor


def lay_out(words: Sequence[tuple[Entry, tuple[Phones, ...]]], config: LettersConfig) -> AlignedWords:
    """Aligned words as arrays, for windows cut by offsets."""
    ids = {label: number for number, label in enumerate(config.labels, start=1)}
    gap = [0] * max(config.window, config.history)
    letters, labels, state, style = list(gap), list(gap), list(gap), list(gap)
    for entry, parts in words:
        source, vowels, primary = config.styles.index(entry.source), 0, False
        for phones in parts:
            labels.append(ids[" ".join(phones)])
            state.append(stress_state(vowels, primary))
            vowels += sum(phone[-1] in "012" for phone in phones)
            primary = primary or any(phone[-1] == "1" for phone in phones)
        letters += letter_ids(entry.word)
        style += [source] * len(parts)
        for row in (letters, labels, state, style):
            row += gap
    arrays = [torch.tensor(row, dtype=torch.int64) for row in (letters, labels, state, style)]
    return AlignedWords(arrays[0], arrays[1], arrays[2], arrays[3], arrays[0].nonzero().flatten())


class LetterBatch(NamedTuple):
    """Inputs of some letters, and their label ids."""

    inputs: LetterInputs
    targets: Tensor


class Letters:
    """All letters of the training words, to be taken by number."""

    def __init__(self, words: AlignedWords, config: LettersConfig) -> None:
        self._words = words
        self._around = torch.arange(-config.window, config.window + 1)
        self._before = torch.arange(-config.history, 0)

    def __len__(self) -> int:
        return len(self._words.places)

    def take(self, numbers: Tensor) -> LetterBatch:
        """The letters of these numbers, (letters,)."""
        words, places = self._words, self._words.places[numbers]
        letters = words.letters[places[:, None] + self._around]
        history = words.labels[places[:, None] + self._before]
        inputs = LetterInputs(letters, history, words.state[places], words.style[places])
        return LetterBatch(inputs, words.labels[places] - 1)


class LossModel(nn.Module):
    """A LetterModel as the loop calls it."""

    def __init__(self, letters: LetterModel) -> None:
        super().__init__()
        self.letters = letters

    def forward(self, batch: LetterBatch) -> tuple[Tensor, Metrics]:
        """Mean cross-entropy over letters, and the share of right labels."""
        scores = self.letters(batch.inputs).float()
        right = float((scores.argmax(-1) == batch.targets).float().mean())
        return functional.cross_entropy(scores, batch.targets), {"accuracy": right}


@dataclass
class LettersTask:
    """What the loop trains."""

    model: LossModel
    batches: ShuffledBatches[LetterBatch]
    held_out: list[Entry]
    config: RunConfig

    def audio_seconds(self, batch: LetterBatch) -> float:
        """No audio here."""
        return 0.0

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Errors of greedy reading on held-out words of the first source."""
        letters: LetterModel = model.letters  # type: ignore[assignment]
        reader, style = LetterReader(letters, beam=1), self.config.sources[0]
        return score([(reader.read(entry.word, style), [entry.phones]) for entry in self.held_out])

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The model alone."""
        letters: LetterModel = model.letters  # type: ignore[assignment]
        record = {**training, "sources": list(self.config.sources)}
        save_component(folder / "letters", letters, letters.config, record)


def aligned_entries(entries: list[Entry], run_dir: Path) -> list[tuple[Entry, tuple[Phones, ...]]]:
    """Entries with the phones of each letter; computed once and kept in the run folder."""
    path = run_dir / "aligned.json"
    words = [(entry.word, entry.phones) for entry in entries]
    if not path.exists():
        sample = np.random.default_rng(0).permutation(len(words))[:_ALIGNED_WORDS]
        found = align(words, estimate([words[number] for number in sample]))
        rows = [None if parts is None else [" ".join(part) for part in parts] for parts in found]
        write_json(path, rows)
    rows = json.loads(path.read_text(encoding="utf-8"))
    if len(rows) != len(words):
        raise InputError(f"{path} is of {len(rows)} entries instead of {len(words)}: use another --run-dir")
    known = Counter(label for row in rows if row for label in row)
    return [
        (entry, tuple(tuple(label.split()) for label in row))
        for entry, row in zip(entries, rows, strict=True)
        if row and min(known[label] for label in row) >= _RARE
    ]


def build(config: RunConfig) -> LettersTask:
    """Model and data of one run."""
    entries = [entry for entry in read_entries(config.entries) if entry.source in config.sources]
    entries = entries[: config.limit or None]
    aligned = aligned_entries([e for e in entries if split_of(e.word) == "train"], config.loop.run_dir)
    labels = sorted({" ".join(part) for _, parts in aligned for part in parts})
    sizes = replace(PRESETS[config.preset], labels=tuple(labels))
    torch.manual_seed(config.loop.seed)
    letters = Letters(lay_out(aligned, sizes), sizes)
    batches = ShuffledBatches(len(letters), config.batch_letters, config.loop.seed, letters.take)
    held_out = [e for e in entries if split_of(e.word) == "dev" and e.source == config.sources[0]]
    order = np.random.default_rng(1).permutation(len(held_out))[: config.evaluation_words]
    logger.info("%d words, %d letters, %d labels", len(aligned), len(letters), len(labels))
    return LettersTask(LossModel(LetterModel(sizes)), batches, [held_out[n] for n in order], config)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
