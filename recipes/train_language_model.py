"""Count a language model over the classes of a CTC head, for its beam search.

    python -m recipes.train_language_model --speech RUNS/ctc/export --llama CACHE/default-llama \
        --texts DATA/reading/speech.txt DATA/reading/books.txt --times 4 1 --out RUNS/language_model

One text a line (`recipes.prepare_reading`), the more and the nearer to what will be said the better; those
nearest may count several times. Lines that stand in `--leave-out` (texts of evaluation sets) are not counted.
Smoothing: interpolated Kneser-Ney with one discount a length (speech_adapter/language_model.py). A minute of
one core for 150,000 sentences.
"""

import gzip
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.losses.ctc_targets import CtcTargets
from speech_adapter.language_model import LanguageModel, Level
from speech_adapter.model import load_speech_model
from speech_core.checkpoint import write_json
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

Keys = NDArray[np.uint64]  # n-grams as numbers: `bits` for each class, the first class highest


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    speech: Path = option(Path(), "folder with the speech_adapter whose classes to count")
    llama: Path = option(Path(), "folder of its Llama")
    texts: tuple[Path, ...] = option((), "files with one text a line, plain or gzipped")
    times: tuple[int, ...] = option((), "how often the texts of each file count (default: once)")
    leave_out: tuple[Path, ...] = option((), "files with texts that must not be counted")
    out: Path = option(Path(), "folder to write")
    order: int = option(5, "classes of the longest n-grams")
    least_count: int = option(2, "n-grams of three classes and more are kept if they come so often")

    def __post_init__(self) -> None:
        if self.order < 2 or self.least_count < 1:
            raise ConfigError("need order >= 2 and least_count >= 1")
        if self.times and (len(self.times) != len(self.texts) or min(self.times) < 1):
            raise ConfigError("need one number of times, at least 1, for each file of texts")


def count(
    texts: Iterable[Sequence[int]], token_ids: Sequence[int], order: int, least_count: int
) -> LanguageModel:
    """The model of some texts as class numbers. Raises ConfigError if an n-gram has no room in 64 bits.

    token_ids: Llama token of each class but the blank. least_count: of n-grams of three classes and more.
    """
    bits = max(len(token_ids).bit_length(), 1)
    if bits * order > 63:
        raise ConfigError(f"{len(token_ids)} classes leave room for n-grams of at most {63 // bits}")
    stream, ends = _stream(texts)
    if len(stream) <= 1:
        raise InputError("there is no text to count")
    keys = [_ngrams(stream, ends, length, bits) for length in range(1, order + 1)]
    raw = [np.unique(found, return_counts=True) for found in keys]
    kept: list[Keys] = []
    own: list[NDArray[np.float32]] = []
    for length in range(1, order + 1):
        longer = raw[length][0] if length < order else None
        numbers, counts = _continuations(raw[length - 1], longer, length, bits)
        chosen = np.isin(
            numbers, raw[length - 1][0][raw[length - 1][1] >= (least_count if length > 2 else 1)]
        )
        kept.append(numbers[chosen])
        own.append(_shares(numbers, counts, bits)[chosen])
    return LanguageModel(token_ids, _levels(kept, own, bits))


def _stream(texts: Iterable[Sequence[int]]) -> tuple[Keys, Keys]:
    """All texts in one row, each behind a 0; and for each place the place of that 0."""
    joined: list[int] = []
    starts: list[int] = []
    for text in texts:
        starts += [len(joined)] * (len(text) + 1)
        joined += [0, *text]
    return np.array(joined, dtype=np.uint64), np.array(starts, dtype=np.uint64)


def _ngrams(stream: Keys, starts: Keys, length: int, bits: int) -> Keys:
    """Every n-gram that stays within one text."""
    total = len(stream) - length + 1
    if total <= 0:
        return np.zeros(0, dtype=np.uint64)
    key = np.zeros(total, dtype=np.uint64)
    for place in range(length):
        key = (key << np.uint64(bits)) | stream[place : place + total]
    inside: Keys = key[starts[:total] == starts[length - 1 :]]
    return inside


def _continuations(
    raw: tuple[Keys, NDArray[np.int64]], longer: Keys | None, length: int, bits: int
) -> tuple[Keys, NDArray[np.int64]]:
    """What Kneser-Ney counts: for all but the longest, in how many different contexts an n-gram stands.

    One at the start of a text has nothing before it and keeps its plain count; the start itself is no word.
    """
    numbers, counts = raw
    if longer is not None:
        behind, different = np.unique(longer & np.uint64((1 << bits * length) - 1), return_counts=True)
        counts = counts.copy()
        counts[np.searchsorted(numbers, behind)] = different
    if length == 1:
        counts = np.where(numbers == 0, 0, counts)
    return numbers, counts


def _shares(numbers: Keys, counts: NDArray[np.int64], bits: int) -> NDArray[np.float32]:
    """Discounted share of each n-gram among those of its context."""
    ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
    discount = ones / (ones + 2 * twos) if ones and twos else 0.5
    _, context = np.unique(numbers >> np.uint64(bits), return_inverse=True)
    totals = np.bincount(context, weights=counts)
    shares: NDArray[np.float32] = np.maximum(counts - discount, 0) / np.maximum(totals[context], 1)
    return shares.astype(np.float32)


def _levels(kept: Sequence[Keys], own: Sequence[NDArray[np.float32]], bits: int) -> list[Level]:
    levels = []
    for number, (keys, shares) in enumerate(zip(kept, own, strict=True)):
        last = (keys & np.uint64((1 << bits) - 1)).astype(np.uint16)
        first, rest = np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.float32)
        if number + 1 < len(kept):
            edges = np.append(keys << np.uint64(bits), np.uint64(1 << 63) * np.uint64(1))
            first = np.searchsorted(kept[number + 1], edges).astype(np.uint32)
            sums = np.concatenate([[0.0], np.cumsum(own[number + 1], dtype=np.float64)])
            rest = (1.0 - (sums[first[1:]] - sums[first[:-1]])).clip(0.0, 1.0).astype(np.float32)
        levels.append(Level(last, shares, first, rest))
    return levels


def read_lines(paths: Sequence[Path]) -> Iterator[str]:
    """Lines of files, plain or gzipped. Raises InputError if one cannot be read."""
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8") as lines:
                yield from (line.rstrip("\n") for line in lines)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error


def comparable(text: str) -> str:
    """Letters and digits alone, to find the same text written otherwise."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def build(config: RunConfig) -> LanguageModel:
    """Count the texts of a run."""
    left_out = {comparable(line) for line in read_lines(config.leave_out)}
    times = config.times or (1,) * len(config.texts)
    texts: Counter[str] = Counter()
    for path, often in zip(config.texts, times, strict=True):
        for line in set(read_lines([path])):
            if line.strip() and comparable(line) not in left_out:
                texts[line] += often
    model = load_speech_model(config.speech, config.llama)
    targets = CtcTargets.of_llama(config.llama, model.ctc.token_ids.tolist())
    logger.info("counting %d different texts", len(texts))
    classes = (found for text in sorted(texts) for found in [targets(text)] * texts[text])
    return count(classes, targets.token_ids, config.order, config.least_count)


def train(config: RunConfig) -> None:
    """Count, and write the component with a record of what it was made from."""
    model = build(config)
    model.save(config.out)
    record = {
        "method": "interpolated Kneser-Ney",
        "texts": [path.name for path in config.texts],
        "times": list(config.times),
    }
    write_json(
        config.out / "training.json", record | {"order": config.order, "least_count": config.least_count}
    )
    logger.info("n-grams of each length: %s", ", ".join(str(len(level.last)) for level in model.levels))


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, train, __doc__ or "", argv)


if __name__ == "__main__":
    main()
