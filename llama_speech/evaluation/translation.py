"""Speech translation scored over test sets: BLEU and chrF of several systems on the same files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from llama_speech.evaluation.asr import ProgressTo, duration_s, machine_text
from llama_speech.evaluation.comet import Comet
from llama_speech.evaluation.datasets import EvalSet
from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.report import markdown_table
from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.transcripts import Transcript, transcribe_files
from llama_speech.evaluation.translation_scores import (
    TextComparison,
    TextScore,
    compare_translations,
    score_translations,
    sentence_chrf,
)
from speech_core.errors import InputError

EXAMPLES = 3  # items shown for each set
# Table 32 of arXiv 2407.21783: BLEU into English.
PAPER_TABLE = (
    ("FLEURS, 33 languages to English", "29.5", "33.7", "21.9", "28.6"),
    ("CoVoST 2, 15 languages to English", "34.4", "38.8", "33.8", "37.9"),
)
PAPER_SYSTEMS = ("Llama 3 8B", "Llama 3 70B", "Whisper v2", "SeamlessM4T v2")


@dataclass(frozen=True)
class TranslationConfig:
    """target: code of the language written; comet: scored too where it is given."""

    cache_dir: Path
    target: str = "en"
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)
    comet: Comet | None = None


@dataclass(frozen=True)
class TranslationSystem:
    """One system on one set."""

    name: str
    signature: str
    failed: int
    wall_s: float
    scores: dict[str, TextScore]


@dataclass(frozen=True)
class TranslationItem:
    """One item with what each system made of it; chrf: of each sentence, for lists only."""

    id: str
    audio: str
    audio_sha256: str
    reference: str
    hypotheses: dict[str, str]
    errors: dict[str, str]
    chrf: dict[str, float]


@dataclass(frozen=True)
class TranslationSet:
    """All systems on the items of one set in one language; against: the first system and each peer."""

    name: str
    source: str
    manifest_sha256: str
    audio_s: float
    dropped: dict[str, int]
    systems: list[TranslationSystem]
    against: dict[str, list[TextComparison]]
    items: list[TranslationItem]


@dataclass(frozen=True)
class TranslationResult:
    """Everything of one run."""

    task: str
    target: str
    created: str
    machine: str
    sets: list[TranslationSet]


# (set, source language) -> systems, the one under test first
Systems = Callable[[EvalSet, str], Sequence[Recognizer]]


def evaluate_translation(
    sets: Sequence[tuple[str, EvalSet]],
    systems: Systems,
    config: TranslationConfig,
    progress: ProgressTo | None = None,
) -> TranslationResult:
    """Every score of every system on every set of (source language, items with translations as text)."""
    if not sets:
        raise InputError(f"nothing to score: no item has a translation into {config.target}")
    done = [_evaluate_set(source, one, systems(one, source), config, progress) for source, one in sets]
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return TranslationResult("translation", config.target, created, machine_text(), done)


def _evaluate_set(
    source: str,
    one: EvalSet,
    systems: Sequence[Recognizer],
    config: TranslationConfig,
    progress: ProgressTo | None,
) -> TranslationSet:
    paths, references = [item.audio for item in one.items], [item.text for item in one.items]
    made: dict[str, list[Transcript]] = {}
    for system in systems:
        report = progress(f"{system.name} on {one.name} ({source})") if progress else None
        made[system.name] = transcribe_files(system, paths, config.cache_dir, report)
    texts = {name: [transcript.text for transcript in found] for name, found in made.items()}
    return TranslationSet(
        name=one.name,
        source=source,
        manifest_sha256=one.manifest_sha256,
        audio_s=sum(duration_s(item) for item in one.items),
        dropped=one.dropped,
        systems=[
            TranslationSystem(
                name=system.name,
                signature=system.signature(),
                failed=sum(transcript.error is not None for transcript in made[system.name]),
                wall_s=sum(transcript.wall_s for transcript in made[system.name]),
                scores=_scores(one, texts[system.name], config),
            )
            for system in systems
        ],
        against=compare_translations(references, texts, config.target, config.bootstrap),
        items=_items(one, made),
    )


def _scores(one: EvalSet, texts: Sequence[str], config: TranslationConfig) -> dict[str, TextScore]:
    """BLEU, chrF and, where it is asked for, COMET of one system."""
    references = [item.text for item in one.items]
    scores = score_translations(references, texts, config.target, config.bootstrap)
    if config.comet is not None:
        sources = [str(item.more.get("transcript") or "") for item in one.items]
        scores["COMET"] = config.comet.score(sources, references, texts, config.bootstrap)
    return scores


def _items(one: EvalSet, made: dict[str, list[Transcript]]) -> list[TranslationItem]:
    items = []
    for row, item in enumerate(one.items):
        found = {name: transcripts[row] for name, transcripts in made.items()}
        items.append(
            TranslationItem(
                id=item.id,
                audio=item.audio.name,
                audio_sha256=next(iter(found.values())).audio_sha256,
                reference=item.text,
                hypotheses={name: transcript.text for name, transcript in found.items()},
                errors={name: t.error for name, t in found.items() if t.error is not None},
                chrf={name: sentence_chrf(item.text, t.text) for name, t in found.items()},
            )
        )
    return items


def to_markdown(result: TranslationResult) -> str:
    """The report for people: scores, differences, what was left out, examples, signatures."""
    parts = [f"# Translation into {result.target}\n\n{result.created}, {result.machine}\n"]
    for metric in result.sets[0].systems[0].scores:
        parts.append(f"## {metric}, with 95 % interval\n\n{_table(result, metric)}")
        parts.append(f"Signature: `{result.sets[0].systems[0].scores[metric].signature}`\n")
    rows = [
        [one.name, one.source, peer, found.metric, f"{found.delta:+.1f}, p = {found.p_value:.3f}"]
        for one in result.sets
        for peer, comparisons in one.against.items()
        for found in comparisons
    ]
    if rows:
        first = result.sets[0].systems[0].name
        parts.append(
            f"## {first} against the others\n\n"
            + markdown_table(["set", "from", "peer", "metric", "difference"], rows)
        )
    parts.append("## Items\n\n" + "".join(f"- {_left_out(one)}\n" for one in result.sets))
    parts.append("## Examples\n\n" + "".join(_examples(one) for one in result.sets))
    if result.target == "en":
        rows = [list(row) for row in PAPER_TABLE]
        parts.append(
            "## The paper (Table 32), other sets and models a thousand times larger\n\n"
            + markdown_table(["BLEU", *PAPER_SYSTEMS], rows)
        )
    parts.append("## Systems\n\n" + "".join(f"- `{one.signature}`\n" for one in result.sets[0].systems))
    return "\n".join(parts)


def _table(result: TranslationResult, metric: str) -> str:
    names = list(dict.fromkeys(system.name for one in result.sets for system in one.systems))
    rows = []
    for one in result.sets:
        scores = {system.name: system.scores[metric] for system in one.systems}
        cells = [_score_text(scores[name]) if name in scores else "-" for name in names]
        rows.append([one.name, one.source, str(len(one.items)), *cells])
    return markdown_table(["set", "from", "items", *names], rows)


def _score_text(score: TextScore) -> str:
    return f"{score.score:.1f} [{max(score.low, 0.0):.1f}, {score.high:.1f}]"


def _left_out(one: TranslationSet) -> str:
    reasons = "; ".join(f"{count} {reason}" for reason, count in one.dropped.items())
    failed = ", ".join(f"{system.name} failed on {system.failed}" for system in one.systems if system.failed)
    text = f"{one.name} ({one.source}): {len(one.items)} items scored, {sum(one.dropped.values())} left out"
    return text + (f" ({reasons})" if reasons else "") + (f"; {failed}" if failed else "")


def _examples(one: TranslationSet) -> str:
    lines = []
    for item in one.items[:EXAMPLES]:
        lines.append(f"- {one.name} ({one.source}), {item.id}: **{item.reference}**\n")
        lines += [
            f"  - {name}: {' '.join(text.split()) or '(nothing)'}\n" for name, text in item.hypotheses.items()
        ]
    return "".join(lines)
