"""Text normalization scored on pairs of written and spoken text: sentences and tokens right, by set, class
and right context, beside other systems on the same sentences.

Sets are files of tab-separated lines: written, spoken forms (" ||| " between accepted ones), then rejected
forms or a class. Levels of folding: normalization_scores.py. An unrecoverable error is a reading that drops,
invents or changes a digit, unit, currency, sign or word of what it reads: each is parsed back and compared.
"""

import gzip
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llama_speech.evaluation.normalization_peers import PeerNormalizer, read_by
from llama_speech.evaluation.normalization_scores import FOLDS, Counts, Pair, count, fold3, is_right
from llama_speech.evaluation.report import markdown_table
from llama_speech.normalization import Chooser, TextReader
from speech_core.errors import InputError
from tts_frontend.config import NormalizerConfig
from tts_frontend.labels import Unsolved, infer
from tts_frontend.languages import Language, load_language
from tts_frontend.normalizer_rules import Spoken, spoken_text

PAPER = {"none, 3": 73.6, "none, whole sentence": 88.0, "Llama 3 8B, 3": 90.7}
"""Sample accuracy of arXiv 2407.21783, table 34, on its own undisclosed test set: Llama and right context."""
METRIC = "sentences right"
SIGNATURE = "tn|fold:L3|level:sentence|ci:wilson-0.95"
PLAIN = frozenset({"keep", "space", "punctuation", "silent"})
_ZEROS = 1.96  # of the normal distribution, for 95 % intervals


@dataclass(frozen=True)
class Share:
    """How many of a number of things were right, in percent with a 95 % interval (Wilson's)."""

    right: int
    total: int

    @property
    def percent(self) -> float:
        """Share in percent."""
        return 100 * self.right / max(1, self.total)

    def interval(self) -> tuple[float, float]:
        """Lower and upper bound in percent."""
        if not self.total:
            return 0.0, 100.0
        share, z2 = self.right / self.total, _ZEROS**2
        middle = (share + z2 / (2 * self.total)) / (1 + z2 / self.total)
        spread = share * (1 - share) / self.total + z2 / (4 * self.total**2)
        half = _ZEROS * spread**0.5 / (1 + z2 / self.total)
        return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


@dataclass
class SystemScore:
    """One system on one set. counts: by level; classes, tokens: by class, where labels could be inferred;
    unrecoverable: readings that lose something (of our own readings only); lost: sentences said wrong that
    lose something as a whole where the reference does not; signature: what the system is; errors: (written,
    said).
    """

    name: str
    counts: dict[str, Counts]
    words_per_s: float | None = None
    unrecoverable: int | None = None
    lost: int | None = None
    signature: str = ""
    classes: dict[str, Share] = field(default_factory=dict)
    tokens: dict[str, Share] = field(default_factory=dict)
    errors: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class PairSet:
    """The pairs of a file; `dropped` counts by reason the lines that are none."""

    pairs: list[Pair]
    dropped: dict[str, int]


@dataclass
class SetScore:
    """All systems on one set; `dropped` as in its PairSet."""

    name: str
    pairs: int
    systems: list[SystemScore]
    dropped: dict[str, int] = field(default_factory=dict)


def read_pairs(path: Path) -> PairSet:
    """Pairs of a file, plain or gzip. Blank lines, and pairs with an empty side, are left out and counted.

    Raises InputError when the file is missing or a line has no spoken form.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): name a file of pairs in UTF-8") from None
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        columns = line.split("\t")
        if not line.strip():
            dropped["blank lines"] += 1
        elif len(columns) < 2:
            raise InputError(f"{path}, line {number} has no spoken form: write it behind a tab")
        elif not (columns[0].strip() and columns[1].strip()):
            dropped["pairs with an empty side"] += 1
        else:
            pairs.append(_pair(columns, path))
    if not pairs:
        raise InputError(f"{path} holds no pair: write one a line, written form, tab, spoken form")
    return PairSet(pairs, dict(dropped))


def _pair(columns: list[str], path: Path) -> Pair:
    rejected: tuple[str, ...] = ()
    label = ""
    if path.parent.name == "engconf":
        rejected = tuple(r for r in columns[2].split(" ||| ") if r) if len(columns) > 2 else ()
    elif path.parent.name == "nemo_cases" and len(columns) > 2:
        label = columns[2]
    return Pair(columns[0], tuple(columns[1].split(" ||| ")), rejected, label)


def read_all(
    pairs: Sequence[Pair], config: NormalizerConfig, chooser: Chooser
) -> tuple[list[list[Spoken]], float]:
    """What our system says for each pair, and words a second of one core."""
    start, out = time.process_time(), []
    for pair in pairs:
        reader = TextReader(config, chooser)
        out.append(reader.push(pair.written) + reader.flush())
    seconds = time.process_time() - start
    return out, sum(len(pair.written.split()) for pair in pairs) / max(seconds, 1e-9)


def lost_sentences(pairs: Sequence[Pair], outputs: Sequence[str], language: Language) -> int:
    """Sentences said wrong (L3) whose words, parsed back, drop, invent or change something of what is
    written, while those of the reference do not. One measure for any system.
    """
    return sum(
        not is_right(fold3, pair, said)
        and bool(language.problems(pair.written, said))
        and not any(language.problems(pair.written, spoken) for spoken in pair.spoken)
        for pair, said in zip(pairs, outputs, strict=True)
    )


def lost(pairs: Sequence[Pair], readings: Sequence[Sequence[Spoken]], language: Language) -> int:
    """Readings that drop, invent or change something of what they read."""
    count_lost = 0
    for pair, pieces in zip(pairs, readings, strict=True):
        for piece in pieces:
            rule = language.inventory.by_name.get(piece.rule)
            if rule is not None and rule.checked and piece.rule not in PLAIN:
                written = pair.written[piece.start : piece.end]
                count_lost += bool(language.problems(written, piece.text))
    return count_lost


class ClassTally:
    """Sentences and tokens right by class; the classes of a sentence are those of the rules that read it as
    its reference, found by inference. A token is right when its sentence is, or the same rule reads it.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._sentences: Counter[tuple[str, bool]] = Counter()
        self._tokens: Counter[tuple[str, bool]] = Counter()

    def add(self, pair: Pair, pieces: Sequence[Spoken]) -> None:
        """Count one sentence; those whose labels cannot be inferred are left out."""
        found = infer(pair.written, pair.spoken[0], self._language)
        if isinstance(found, Unsolved):
            return
        right = is_right(fold3, pair, spoken_text(pieces))
        said = {(piece.start, piece.rule) for piece in pieces}
        kinds = set()
        for label in found.labels:
            rule = self._language.inventory.by_name.get(label.rule)
            if rule is None or label.rule in PLAIN or not rule.checked:
                continue
            kinds.add(rule.kind)
            good = right or (found.tokens[label.start].start, label.rule) in said
            self._tokens[rule.kind, good] += 1
        for kind in kinds:
            self._sentences[kind, right] += 1

    def shares(self) -> tuple[dict[str, Share], dict[str, Share]]:
        """Sentences and tokens by class."""
        return _shares(self._sentences), _shares(self._tokens)


def _shares(counted: Mapping[tuple[str, bool], int]) -> dict[str, Share]:
    kinds = sorted({kind for kind, _ in counted})
    return {
        k: Share(counted.get((k, True), 0), sum(counted.get((k, g), 0) for g in (True, False))) for k in kinds
    }


def score_ours(
    name: str, pairs: Sequence[Pair], config: NormalizerConfig, chooser: Chooser, by_class: bool = False
) -> SystemScore:
    """Our system on one set."""
    language = load_language(config.language)
    readings, speed = read_all(pairs, config, chooser)
    outputs = [spoken_text(pieces) for pieces in readings]
    score = score_outputs(name, pairs, outputs)
    score.words_per_s, score.unrecoverable = speed, lost(pairs, readings, language)
    score.lost = lost_sentences(pairs, outputs, language)
    if by_class:
        tally = ClassTally(language)
        for pair, pieces in zip(pairs, readings, strict=True):
            tally.add(pair, pieces)
        score.classes, score.tokens = tally.shares()
    return score


def score_peer(peer: PeerNormalizer, pairs: Sequence[Pair], language: str) -> SystemScore:
    """Another system, read and timed here."""
    outputs, speed = read_by(peer, pairs)
    score = score_outputs(peer.name, pairs, outputs)
    score.words_per_s, score.signature = speed, peer.signature()
    score.lost = lost_sentences(pairs, outputs, load_language(language))
    return score


def score_outputs(name: str, pairs: Sequence[Pair], outputs: Sequence[str]) -> SystemScore:
    """Any system on one set, by what it said for each pair. Raises InputError for another number of lines."""
    if len(outputs) != len(pairs):
        raise InputError(f"{name} said {len(outputs)} lines for {len(pairs)} pairs: give one line for each")
    counts = {level: count(level, pairs, outputs) for level in FOLDS}
    wrong = [
        (pair.written, said)
        for pair, said in zip(pairs, outputs, strict=True)
        if not is_right(fold3, pair, said)
    ]
    score = SystemScore(name, counts, errors=wrong)
    labels = {pair.label for pair in pairs if pair.label}
    for label in sorted(labels):
        own = [(p, s) for p, s in zip(pairs, outputs, strict=True) if p.label == label]
        score.classes[label] = Share(sum(is_right(fold3, p, s) for p, s in own), len(own))
    return score


def to_plain(results: Sequence[SetScore]) -> list[dict[str, Any]]:
    """Results as JSON values."""
    plain: list[dict[str, Any]] = json.loads(json.dumps([asdict(one) for one in results]))
    return plain


def to_scores(results: Sequence[SetScore]) -> list[dict[str, Any]]:
    """L3 accuracies as a bundle keeps them: shares of 1 with their interval."""
    scores = []
    for one in results:
        for system in one.systems:
            share = Share(system.counts["L3"].right, system.counts["L3"].total)
            low, high = (round(bound / 100, 4) for bound in share.interval())
            rate = round(share.percent / 100, 4)
            found = {"data": one.name, "system": system.name, "metric": METRIC, "rate": rate}
            scores.append({**found, "low": low, "high": high, "signature": SIGNATURE})
    return scores


def to_markdown(results: Sequence[SetScore]) -> str:
    """Tables for people: a row for each system, one table for each set; then the classes of the first."""
    parts = [_paper_table()]
    for one in results:
        parts.append(f"## {one.name}, {one.pairs} pairs{left_out(one.dropped)}\n\n" + _systems_table(one))
        if one.systems and one.systems[0].classes:
            parts.append(_classes_table(one.systems))
    return "\n".join(parts)


def left_out(dropped: Mapping[str, int]) -> str:
    """What was left out of a set, to stand behind the number of its pairs; nothing for nothing."""
    return "".join(f"; left out: {count} {reason}" for reason, count in dropped.items())


def _paper_table() -> str:
    rows = [[setting, f"{value:.1f}"] for setting, value in PAPER.items()]
    title = "# Text normalization\n\nThe paper's tagger on its own test set (arXiv 2407.21783, table 34):\n\n"
    return title + markdown_table(["Llama, right context", "sample accuracy"], rows)


def _systems_table(one: SetScore) -> str:
    header = [
        "system",
        *FOLDS,
        "95 % of L3",
        "L3 of changed",
        "spoiled",
        "rejected",
        "lost",
        "lossy readings",
    ]
    header.append("words/s")
    rows = []
    for system in one.systems:
        best = system.counts["L3"]
        low, high = Share(best.right, best.total).interval()
        accuracies = [f"{system.counts[level].accuracy:.1f}" for level in FOLDS]
        numbers = [f"{low:.1f} to {high:.1f}", f"{best.changed_accuracy:.1f}", str(best.spoiled)]
        numbers += [str(best.rejected), _or_dash(system.lost), _or_dash(system.unrecoverable)]
        numbers.append(_or_dash(system.words_per_s))
        rows.append([system.name, *accuracies, *numbers])
    return markdown_table(header, rows)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _classes_table(systems: Sequence[SystemScore]) -> str:
    """Sentences right under L3 by class, a column for each system; tokens of the first in brackets."""
    rows = []
    for kind, share in systems[0].classes.items():
        cells = [f"{s.classes[kind].percent:.1f}" if kind in s.classes else "-" for s in systems]
        tokens = systems[0].tokens.get(kind)
        if tokens:
            cells[0] += f" ({tokens.percent:.1f} of {tokens.total})"
        rows.append([kind, str(share.total), *cells])
    return markdown_table(["class", "sentences", *(system.name for system in systems)], rows)
