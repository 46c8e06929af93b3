"""Labelled samples for the text normalization tagger: real pairs whose rules are inferred, and generated
sentences.

    python -m recipes.prepare_text --data DIR --out DIR [--sentences FILE] [--generated 30000] [--seed 0]

DIR of --data holds google_tn/, libritts_tn/ and ljspeech_tn/ (English) or proteno_es/ (Spanish). Writes
train.jsonl and dev.jsonl (one sample a line: written, spoken, labels as [rule, first token, end token],
source, licence), the inventory of rule names, and report.json: coverage and failures of the inference, class
balance, provenance. What carries a share-alike licence is marked: it trains and tests and is not shipped as
text.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from recipes.data.text_forms import NAMES, PLACES, THINGS
from recipes.data.text_templates import DOCUMENTS, GROUPS, Group
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import InputError
from tts_frontend.config import NormalizerConfig
from tts_frontend.inventory import Reading, View, best_reading
from tts_frontend.labels import Label, Unsolved, infer
from tts_frontend.languages import Language, load_language
from tts_frontend.languages.en.lexicon import MONTHS
from tts_frontend.normalizer_rules import RuleNormalizer, Spoken, spoken_text
from tts_frontend.text_tokens import cut

SHARE_ALIKE = {"google_tn": True, "libritts_tn": False, "ljspeech_tn": False, "proteno_es": True}
LICENCES = {
    "google_tn": "CC BY-SA 4.0",
    "libritts_tn": "CC BY 4.0",
    "ljspeech_tn": "public domain",
    "proteno_es": "CC BY-SA",
    "generated": "Apache-2.0",
}
SETS = {"en": ("google_tn", "libritts_tn", "ljspeech_tn"), "es": ("proteno_es",)}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    data: Path = option(Path(), "folder of the pairs")
    out: Path = option(Path(), "folder to write, outside the checkout")
    sentences: Path | None = option(None, "plain sentences to stand before and behind generated ones")
    language: str = option("en", "language of the pairs", sorted(SETS))
    generated: int = option(30_000, "generated training sentences")
    seed: int = option(0, "of what is generated")


@dataclass(frozen=True)
class Sample:
    """A written text, what is said for it, and the rules over its TN tokens."""

    written: str
    spoken: str
    labels: list[tuple[str, int, int]]
    source: str
    licence: str
    share_alike: bool


@dataclass
class Coverage:
    """How many pairs of a source could be explained, and where the others failed."""

    pairs: int = 0
    solved: int = 0
    failed_at: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, plain or gzip. Raises InputError when it cannot be read."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return [line for line in data.decode("utf-8").split("\n") if line]


def real_samples(path: Path, language: Language, coverage: Coverage) -> Iterator[Sample]:
    """Samples of one file of pairs; what no sequence of rules explains is counted and left out."""
    source = path.parent.name
    for line in read_lines(path):
        written, spoken = line.split("\t")[:2]
        found = infer(written, spoken, language)
        coverage.pairs += 1
        if isinstance(found, Unsolved):
            coverage.failed_at[found.kind] = coverage.failed_at.get(found.kind, 0) + 1
            if len(coverage.examples) < 20:
                coverage.examples.append(f"{written} => {spoken} [{found.token.text if found.token else ''}]")
            continue
        coverage.solved += 1
        labels = [(label.rule, label.start, label.end) for label in found.labels]
        yield Sample(written, spoken, labels, source, LICENCES[source], SHARE_ALIKE[source])


def fill(template: str, draw: Random) -> str:
    """A template with its names, places, things and small numbers drawn; "{}" is left."""
    out = template
    while "{n}" in out:
        out = out.replace("{n}", str(draw.randint(1, 99)), 1)
    for slot, choices in (("{name}", NAMES), ("{place}", PLACES), ("{word}", THINGS), ("{month}", MONTHS)):
        while slot in out:
            out = out.replace(slot, draw.choice(choices), 1)
    return out.replace("{year}", str(draw.randint(1800, 2030)))


def _labels(text: str, pieces: Sequence[Spoken]) -> list[Label]:
    """What a normalizer did, as labels over TN tokens."""
    index = {token.start: i for i, token in enumerate(cut(text))}
    index[len(text)] = len(index)
    return [Label(piece.rule, index[piece.start], index[piece.end]) for piece in pieces]


def read_with_rule(text: str, place: int, rule: str, language: str) -> Sample | None:
    """The sample in which `rule` reads what starts at `place`; None where it has no reading there."""
    used: list[bool] = []

    def choose(view: View, readings: Sequence[Reading]) -> Reading:
        if view.start + view.offset == place:
            wanted = [reading for reading in readings if reading.rule == rule]
            used.append(bool(wanted))
            return wanted[0] if wanted else best_reading(readings)
        return best_reading(readings)

    stream = RuleNormalizer(NormalizerConfig(language=language), choose=choose)
    pieces = stream.push(text) + stream.flush()
    if place >= 0 and rule != "keep" and not any(used):
        return None
    labels = [(label.rule, label.start, label.end) for label in _labels(text, pieces)]
    if any(rule_name == "literal" for rule_name, _, _ in labels):
        return None
    return Sample(text, spoken_text(pieces), labels, "generated", LICENCES["generated"], False)


def generated_samples(
    count: int, draw: Random, plain: Sequence[str], skipped: Counter[str]
) -> Iterator[Sample]:
    """`count` sentences, groups and readings in equal parts, some between plain sentences, one in ten a
    document.
    """
    made = 0
    pairs = [(group, rule) for group in GROUPS for rule in group.readings]
    while made < count:
        if draw.random() < 0.1:
            sample = read_with_rule(fill(draw.choice(DOCUMENTS), draw), -1, "", "en")
        else:
            group, rule = draw.choice(pairs)
            sample = _sentence(group, rule, draw, plain)
            if sample is None:
                skipped[f"{group.name}: {rule}"] += 1
                if skipped.total() > 5 * count:
                    return
        if sample is not None:
            made += 1
            yield sample


def _sentence(group: Group, rule: str, draw: Random, plain: Sequence[str]) -> Sample | None:
    template = fill(draw.choice(group.readings[rule].split(" | ")), draw)
    before = draw.choice(plain) + " " if plain and draw.random() < 0.3 else ""
    after = " " + draw.choice(plain) if plain and draw.random() < 0.2 else ""
    place = len(before) + template.index("{}")
    text = before + template.replace("{}", group.form(draw)) + after
    return read_with_rule(text, place, rule, "en")


@dataclass
class Written:
    """What one part holds."""

    samples: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def as_report(self, language: Language) -> dict[str, object]:
        """Counts, most frequent first; kinds are those of the rules."""
        known = language.inventory.by_name
        kinds: Counter[str] = Counter()
        for rule, number in self.rules.items():
            kinds[known[rule].kind if rule in known else rule] += number
        return {
            "samples": self.samples,
            "sources": dict(self.sources),
            "kinds": dict(kinds.most_common()),
            "rules": dict(self.rules.most_common()),
        }


def write_samples(path: Path, samples: Iterable[Sample]) -> Written:
    """Write one sample a line, and count."""
    written = Written()
    with path.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(asdict(sample), ensure_ascii=False) + "\n")
            written.rules.update(rule for rule, _, _ in sample.labels)
            written.sources[sample.source] += 1
            written.samples += 1
    return written


@dataclass
class Preparation:
    """The samples of a run, and what was learned while they were made."""

    config: RunConfig
    language: Language
    coverage: dict[str, Coverage] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def samples(self, part: str) -> Iterator[Sample]:
        """Real samples of a part, then generated ones where there are any for the language."""
        for name in SETS[self.config.language]:
            path = self.config.data / name / f"{part}.tsv.gz"
            coverage = self.coverage.setdefault(f"{name} {part}", Coverage())
            yield from real_samples(path, self.language, coverage)
        if self.config.language == "en":
            plain = read_lines(self.config.sentences)[:20_000] if self.config.sentences else []
            count = self.config.generated if part == "train" else self.config.generated // 20
            yield from generated_samples(count, Random(f"{self.config.seed} {part}"), plain, self.skipped)


def prepare(config: RunConfig) -> dict[str, object]:
    """Write the samples of both parts and return the report. Raises InputError for a missing file."""
    language = load_language(config.language)
    config.out.mkdir(parents=True, exist_ok=True)
    run = Preparation(config, language)
    report: dict[str, object] = {"seed": config.seed, "language": config.language}
    for part in ("dev", "train"):
        report[part] = write_samples(config.out / f"{part}.jsonl", run.samples(part)).as_report(language)
    report["inference"] = {name: asdict(found) for name, found in run.coverage.items()}
    report["licences"] = LICENCES
    report["generated_skipped"] = dict(run.skipped)
    names = [rule.name for rule in language.inventory.rules]
    (config.out / "rules.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (config.out / "report.json").write_text(text + "\n", encoding="utf-8")
    return report


def summary(report: dict[str, object]) -> Iterator[str]:
    """The report in a few lines."""
    inference = report["inference"]
    assert isinstance(inference, dict)
    for name, found in inference.items():
        failed = ", ".join(f"{kind} {number}" for kind, number in Counter(found["failed_at"]).most_common(8))
        share = 100 * found["solved"] / max(1, found["pairs"])
        solved = f"{found['solved']:6} of {found['pairs']:6} explained ({share:.2f} %)"
        yield f"{name:20} {solved}; failed at: {failed}"
    for part in ("train", "dev"):
        numbers = report[part]
        assert isinstance(numbers, dict)
        yield f"{part}: {numbers['samples']} samples; {numbers['sources']}; kinds: {numbers['kinds']}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the recipe from the command line."""
    for line in summary(run_command(RunConfig, prepare, __doc__ or "", argv)):
        print(line)


if __name__ == "__main__":
    main()
