"""Spoken dialogue: does the Llama answer speech as it answers the same words written?

Each question is answered from its text, and from its speech in every way under test. An item agrees when
the greedy answer is the same, token for token; overlap is the F1 of the words of both answers; of trivia, an
answer is right when it holds an accepted one. Answers to text are the reference, not the truth: both have an
accuracy.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from llama_speech.batch_answers import Answerer, BatchAnswer, answer_texts
from llama_speech.evaluation.asr import ProgressTo, machine_text
from llama_speech.evaluation.datasets import EvalItem, EvalSet
from llama_speech.evaluation.report import markdown_table, percent
from llama_speech.evaluation.scores import BootstrapConfig, Metric, normalize_text, score_texts
from speech_adapter.prompts import Speech, Turn
from speech_core.errors import InputError

EXAMPLES = 5  # items shown for each set
TEXT = "text"  # the answer to the written question


@dataclass(frozen=True)
class Heard:
    """What one way of hearing makes of a question: speech for the Llama, or words; error: why nothing."""

    parts: tuple[Speech | str, ...]
    transcript: str | None = None
    error: str | None = None


class Listener(Protocol):
    """A way to put a spoken question before the Llama."""

    name: str

    def signature(self) -> str:
        """Everything that can change what is heard."""
        ...

    def listen(self, items: Sequence[EvalItem]) -> list[Heard]:
        """One result for each question, in order."""
        ...


@dataclass(frozen=True)
class DialogueConfig:
    """How answers are made and scored."""

    max_tokens: int = 48
    batch_size: int = 8
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)


@dataclass(frozen=True)
class Share:
    """A mean over items with its bootstrap interval, 0 to 1; None where no item has the value."""

    mean: float | None
    low: float | None
    high: float | None
    items: int


@dataclass(frozen=True)
class DialogueSystem:
    """One way of hearing. accuracy_gap: accuracy from text minus accuracy from speech."""

    name: str
    signature: str
    failed: int
    agreement: Share
    overlap: Share
    accuracy: Share
    accuracy_gap: Share
    word_error_rate: float | None


@dataclass(frozen=True)
class DialogueItem:
    """One question with every answer; right: None without accepted answers."""

    id: str
    audio: str
    question: str
    accepted: list[str]
    answers: dict[str, str]
    transcripts: dict[str, str]
    errors: dict[str, str]
    same: dict[str, bool]
    overlap: dict[str, float]
    right: dict[str, bool | None]


@dataclass(frozen=True)
class DialogueSet:
    """All systems on one set; text_accuracy: of the answers to the written questions."""

    name: str
    manifest_sha256: str
    dropped: dict[str, int]
    text_accuracy: Share
    systems: list[DialogueSystem]
    items: list[DialogueItem]


@dataclass(frozen=True)
class DialogueResult:
    """Everything of one run."""

    task: str
    created: str
    machine: str
    max_tokens: int
    signature: str
    sets: list[DialogueSet]


def word_overlap(one: str, other: str) -> float:
    """F1 of two texts as bags of words after Whisper's English normaliser; 1 for two empty texts."""
    first, second = (Counter(normalize_text(text, "whisper-en-words").split()) for text in (one, other))
    if not first and not second:
        return 1.0
    shared = sum((first & second).values())
    return 2 * shared / (sum(first.values()) + sum(second.values()))


def holds_answer(text: str, accepted: Sequence[str]) -> bool:
    """Whether the words of any accepted answer stand in a text, in a row, after normalising both."""
    words = f" {normalize_text(text, 'whisper-en-words')} "
    wanted = (normalize_text(answer, "whisper-en-words") for answer in accepted)
    return any(f" {answer} " in words for answer in wanted if answer)


def share(values: Sequence[float], config: BootstrapConfig) -> Share:
    """Mean with a bootstrap interval over items."""
    if not values:
        return Share(None, None, None, 0)
    array = np.array(values, dtype=np.float64)
    rng = np.random.default_rng(config.seed)
    draws = array[rng.integers(0, len(array), size=(config.resamples, len(array)))].mean(axis=1)
    low, high = np.percentile(draws, [50 * (1 - config.confidence), 50 * (1 + config.confidence)])
    return Share(float(array.mean()), float(low), float(high), len(array))


def evaluate_dialogue(
    sets: Sequence[EvalSet],
    answerer: Answerer,
    listeners: Sequence[Listener],
    config: DialogueConfig,
    progress: ProgressTo | None = None,
) -> DialogueResult:
    """Every score of every way of hearing on every set; `answers` and `context` are read from its records."""
    if not sets or not listeners:
        raise InputError("nothing to score: give at least one set and one way of hearing")
    signatures = {listener.name: listener.signature() for listener in listeners}  # of what is there now
    done = []
    for one in sets:
        systems = dict[str, tuple[list[Heard], list[BatchAnswer]]]()
        written = [Heard((item.text,), item.text) for item in one.items]
        reference = _answers(answerer, one.items, written, config)
        for number, listener in enumerate(listeners):
            heard = listener.listen(one.items)
            systems[listener.name] = (heard, _answers(answerer, one.items, heard, config))
            if progress:
                progress(f"ways of hearing, {one.name}")(number + 1, len(listeners))
        items = [_item(one.items[row], reference[row], row, systems) for row in range(len(one.items))]
        done.append(_set_result(one, items, signatures, config))
    signature = (
        f"greedy|max-tokens:{config.max_tokens}|agree:token-ids|overlap:bag-f1|norm:whisper-en-words"
        f"|ci:bootstrap-item-{config.bootstrap.resamples}-{config.bootstrap.confidence:g}"
        f"|seed:{config.bootstrap.seed}|numpy:{np.__version__}"
    )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return DialogueResult("dialogue", created, machine_text(), config.max_tokens, signature, done)


def _answers(
    answerer: Answerer, items: Sequence[EvalItem], heard: Sequence[Heard], config: DialogueConfig
) -> list[BatchAnswer]:
    """Answers to what was heard, after the turns before it; nothing heard, nothing answered."""
    rows = [row for row, one in enumerate(heard) if one.error is None]
    turns = [[*_context(items[row]), Turn("user", heard[row].parts)] for row in rows]
    made = answer_texts(answerer, turns, config.max_tokens, config.batch_size)
    found = dict(zip(rows, made, strict=True))
    return [found.get(row, BatchAnswer("", (), "error")) for row in range(len(heard))]


def _context(item: EvalItem) -> list[Turn]:
    turns = _known(item, "context")
    return [Turn(str(turn["role"]), (str(turn["content"]),)) for turn in turns]


def _known(item: EvalItem, name: str) -> Sequence[Any]:
    """A list of the item's record, or of its `extra`, where the recipes put it; empty if there is none."""
    found: Sequence[Any] = item.more.get(name) or (item.more.get("extra") or {}).get(name) or ()
    return found


def _item(
    item: EvalItem,
    reference: BatchAnswer,
    row: int,
    systems: dict[str, tuple[list[Heard], list[BatchAnswer]]],
) -> DialogueItem:
    accepted = [str(answer) for answer in _known(item, "answers")]
    answers = {TEXT: reference.text, **{name: made[row].text for name, (_, made) in systems.items()}}
    heard = {name: found[row] for name, (found, _) in systems.items()}
    return DialogueItem(
        id=item.id,
        audio=item.audio.name,
        question=item.text,
        accepted=accepted,
        answers=answers,
        transcripts={name: one.transcript for name, one in heard.items() if one.transcript is not None},
        errors={name: one.error for name, one in heard.items() if one.error is not None},
        same={name: made[row].token_ids == reference.token_ids for name, (_, made) in systems.items()},
        overlap={name: word_overlap(answers[name], reference.text) for name in systems},
        right={name: holds_answer(text, accepted) if accepted else None for name, text in answers.items()},
    )


def _set_result(
    one: EvalSet, items: list[DialogueItem], signatures: Mapping[str, str], config: DialogueConfig
) -> DialogueSet:
    """signatures: of each way of hearing, by its name."""
    trivia = [item for item in items if item.accepted]
    text_accuracy = share([float(bool(item.right[TEXT])) for item in trivia], config.bootstrap)
    systems = []
    for name, signature in signatures.items():
        heard = [item for item in items if name in item.transcripts]
        spoken, written = [item.question for item in heard], [item.transcripts[name] for item in heard]
        rate = score_texts(spoken, written, Metric()).rate if heard else None
        gaps = [float(bool(item.right[TEXT])) - float(bool(item.right[name])) for item in trivia]
        systems.append(
            DialogueSystem(
                name=name,
                signature=signature,
                failed=sum(name in item.errors for item in items),
                agreement=share([float(item.same[name]) for item in items], config.bootstrap),
                overlap=share([item.overlap[name] for item in items], config.bootstrap),
                accuracy=share([float(bool(item.right[name])) for item in trivia], config.bootstrap),
                accuracy_gap=share(gaps, config.bootstrap),
                word_error_rate=rate,
            )
        )
    return DialogueSet(one.name, one.manifest_sha256, one.dropped, text_accuracy, systems, items)


def to_markdown(result: DialogueResult) -> str:
    """The report for people."""
    parts = [f"# Spoken dialogue\n\n{result.created}, {result.machine}\n"]
    parts.append(f"Percent, with 95 % intervals.\n\n{_table(result)}\nSignature: `{result.signature}`\n")
    for one in result.sets:
        reasons = "; ".join(f"{count} {reason}" for reason, count in one.dropped.items())
        total = sum(one.dropped.values())
        parts.append(f"{one.name}: {total} items left out{f' ({reasons})' if reasons else ''}\n")
    parts.append(
        "## Examples\n\n" + "".join(_example(item) for one in result.sets for item in one.items[:EXAMPLES])
    )
    parts.append("## Systems\n\n" + "".join(f"- `{one.signature}`\n" for one in result.sets[0].systems))
    return "\n".join(parts)


def _table(result: DialogueResult) -> str:
    """A row for the answers to text and for each way of hearing of each set."""
    header = ["set", "items", "way of hearing", "same answer", "overlap", "right", "gap to text"]
    header += ["WER", "failed"]
    rows = []
    for one in result.sets:
        items = str(len(one.items))
        rows.append([one.name, items, TEXT, "-", "-", _share(one.text_accuracy), "-", "-", "0"])
        for system in one.systems:
            shares = (system.agreement, system.overlap, system.accuracy, system.accuracy_gap)
            error_rate = percent(system.word_error_rate)
            rows.append([one.name, items, system.name, *map(_share, shares), error_rate, str(system.failed)])
    return markdown_table(header, rows)


def _share(found: Share) -> str:
    return (
        "-" if found.mean is None else f"{percent(found.mean)} [{percent(found.low)}, {percent(found.high)}]"
    )


def _example(item: DialogueItem) -> str:
    lines = [f"- **{item.question}** ({', '.join(item.accepted) or 'no fixed answer'})\n"]
    for name, text in item.answers.items():
        heard = f" (heard: {item.transcripts[name]})" if name in item.transcripts else ""
        lines.append(f"  - {name}{heard}: {' '.join(text.split()) or '(nothing)'}\n")
    return "".join(lines)
