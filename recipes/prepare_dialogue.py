"""Spoken dialogue: prompts, the frozen Llama's own answers to them, and teachers that speak the prompts.

    python -m recipes.prepare_dialogue --text-dir TEXT --speech-dir SPEECH --llama LLAMA --out DATA/dialogue \
        --limit 2000                                     # to train on: DATA/dialogue/train.jsonl
    python -m recipes.prepare_dialogue --speech-dir SPEECH --sets kathleen-en librispeech --llama LLAMA \
        --out DATA/answers                               # or --manifest FILE.jsonl
    python -m recipes.prepare_dialogue --text-dir TEXT --part dev --out DATA/dialogue-dev --limit 200
    python -m recipes.prepare_speech --manifest DATA/dialogue/train.jsonl --out DATA/dialogue-features

With --sets or --manifest the clips are recordings with transcripts, and only their answers are made (60 K
hours in the paper, arXiv 2407.21783, 8.1; after AudioChatLlama): so that speech in gives what text in would
give. The dev part is never trained on; it is spoken by a voice no training hears, has accepted answers in
place of the Llama's, and comes with two more manifests: `turns.jsonl` (a question after another turn) and
`switched.jsonl` (a request whose object is named in another language). Everything goes on where it stopped.
"""

import functools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from llama_speech.batch_answers import Answerer, answer_texts
from recipes.data.corpora import transcribed
from recipes.data.engines import Workers, map_tasks
from recipes.data.held_out import load_held_out
from recipes.data.manifests import write_counts, write_manifest
from recipes.data.personal_data import PersonalData, find_scanner
from recipes.data.prompts import Prompt, read_prompts
from recipes.data.spoken_sets import UNSEEN, SpokenText, write_spoken_set
from recipes.data.teachers import TEACHER_SHARES
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_adapter.prompts import Turn
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)
Item = TypeVar("Item")

_ANSWERS_AT_ONCE = 64  # between two writes to the disk
_SWITCHED = (
    ("es", "Spanish", "la biblioteca", "How do I say {} in English?", ("library", "the library")),
    ("fr", "French", "le petit déjeuner", "What does {} mean in English?", ("breakfast",)),
    ("de", "German", "guten Morgen", "What does {} mean in English?", ("good morning",)),
    ("it", "Italian", "buona notte", "What does {} mean in English?", ("good night",)),
    ("es", "Spanish", "el perro", "What animal is {}?", ("dog",)),
    ("fr", "French", "le chat", "What animal is {}?", ("cat",)),
    ("de", "German", "der Apfel", "What kind of food is {}?", ("apple", "fruit")),
    ("it", "Italian", "l'acqua", "Can I drink {}?", ("water", "yes")),
)


@dataclass(frozen=True)
class DialogueOptions:
    """Options of this recipe."""

    out: Path = option(Path(), "folder to write")
    text_dir: Path | None = option(None, "folder with dialogue/trivia.tsv.gz and requests.tsv.gz")
    speech_dir: Path | None = option(None, "folder of speech sets whose dev texts are never spoken")
    manifest: Path | None = option(None, "answer these transcripts instead of speaking prompts")
    sets: tuple[str, ...] = option((), "answer the transcripts of these sets of --speech-dir instead")
    llama: Path | None = option(None, "folder of the frozen Llama that answers; not needed for --part dev")
    part: str = option("train", "train or dev", ("train", "dev"))
    limit: int = option(1000, "most prompts")
    max_tokens: int = option(96, "longer answers are cut, and learned as far as they go")
    batch_size: int = option(8, "prompts answered together")
    personal_data: str = option("none", "scan prompts and answers: none, patterns, presidio")
    seed: int = option(0, "of voices")
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        if [self.text_dir is None, self.manifest is None, not self.sets].count(False) != 1:
            raise ConfigError("give one of --text-dir, --sets and --manifest")
        if self.part == "train" and self.llama is None:
            raise ConfigError("--llama is needed: its own answers are what is learned")


@dataclass(frozen=True)
class Answered:
    """A line of answers.jsonl: greedy, so that the same Llama always gives the same."""

    id: str
    text: str
    answer: str
    reason: str
    llama: str


def load_answerer(folder: Path) -> Answerer:
    """The frozen Llama on this machine's fastest engine."""
    import torch

    from llama_speech.loading import Placement, load_engine
    from speech_adapter.tokenizer import ChatTokenizer

    engine = load_engine(folder, Placement().resolved(), "auto")
    return Answerer(engine, ChatTokenizer.from_folder(folder), torch.zeros(2, engine.d_model))


@dataclass(frozen=True)
class _Part:
    """Prompts that are answered by one worker between two writes to the disk."""

    prompts: tuple[tuple[str, str], ...]  # id, text
    llama: Path
    max_tokens: int
    batch_size: int


def _answer_part(part: _Part) -> list[Answered]:
    turns = [[Turn("user", (text,))] for _, text in part.prompts]
    made = answer_texts(_answerer(part.llama), turns, part.max_tokens, part.batch_size)
    return [
        Answered(name, text, answer.text, answer.reason, part.llama.name)
        for (name, text), answer in zip(part.prompts, made, strict=True)
    ]


@functools.cache
def _answerer(folder: Path) -> Answerer:
    """Loaded once in each process."""
    return load_answerer(folder)


def answer_prompts(
    path: Path, prompts: Sequence[tuple[str, str]], llama: Path, chosen: DialogueOptions
) -> dict[str, Answered]:
    """Answers to (id, text) as if typed, without a system prompt; those in `path` already are kept."""
    known = {}
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        known = {found.id: found for found in (Answered(**json.loads(line)) for line in lines)}
    missing = [prompt for prompt in prompts if prompt[0] not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        _Part(tuple(missing[start : start + _ANSWERS_AT_ONCE]), llama, chosen.max_tokens, chosen.batch_size)
        for start in range(0, len(missing), _ANSWERS_AT_ONCE)
    ]
    for number, made in enumerate(map_tasks(_answer_part, parts, chosen.workers), start=1):
        with path.open("a", encoding="utf-8") as lines_out:
            for answer in made:
                known[answer.id] = answer
                lines_out.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")
        logger.info("%d of %d parts answered", number, len(parts))
    return known


def learned(answer: Answered) -> dict[str, object]:
    """What the manifest says of an answer; of one that was cut, its end is not learned."""
    said: dict[str, object] = {"task": "dialogue", "answer": answer.answer, "answered_by": answer.llama}
    return said if answer.reason == "end" else {**said, "cut": True}


def usable(found: Answered, scanner: PersonalData | None, counts: dict[str, int]) -> bool:
    """Whether an answer is learned from: it is no loop, says something, and holds no personal data."""
    reason = None
    if found.reason == "loop":
        reason = "loops"
    elif not found.answer:
        reason = "empty answers"
    elif scanner is not None and scanner.found(f"{found.text} {found.answer}"):
        reason = "personal data"
    if reason:
        counts[reason] = counts.get(reason, 0) + 1
    return reason is None


def prepare(chosen: DialogueOptions) -> dict[str, int]:
    """Write what the options ask for; counts of what was made and left out."""
    if chosen.text_dir is None:
        counts = answer_transcripts(chosen)
    else:
        counts = speak_dev(chosen) if chosen.part == "dev" else speak_train(chosen)
    write_counts(chosen.out, counts)
    return counts


def speak_train(chosen: DialogueOptions) -> dict[str, int]:
    """Prompts with the Llama's answers, spoken by the teachers of training."""
    if chosen.text_dir is None or chosen.llama is None:
        raise InputError("--text-dir and --llama are needed")
    held_out = load_held_out(chosen.speech_dir, chosen.text_dir)
    prompts = list(_spread(read_prompts(chosen.text_dir, "train", held_out), chosen.limit))
    pairs = [(prompt.id, prompt.text) for prompt in prompts]
    answers = answer_prompts(chosen.out / "answers.jsonl", pairs, chosen.llama, chosen)
    scanner, counts = find_scanner(chosen.personal_data), dict[str, int]()
    texts = [
        SpokenText(
            prompt.id,
            prompt.text,
            "en",
            prompt.source,
            prompt.licence,
            extra=learned(answers[prompt.id]),
        )
        for prompt in prompts
        if usable(answers[prompt.id], scanner, counts)
    ]
    names = list(TEACHER_SHARES)
    order = {text.id: names[place % len(names)] for place, text in enumerate(texts)}
    made = write_spoken_set(chosen.out / "train.jsonl", texts, lambda text: order[text.id], chosen.seed)
    return {**counts, **made}


def answer_transcripts(chosen: DialogueOptions) -> dict[str, int]:
    """Recordings with transcripts again, each with the Llama's answer to what is said."""
    if chosen.llama is None:
        raise InputError("--llama is needed")
    utterances = list(_spread(transcribed(chosen.manifest, chosen.speech_dir, chosen.sets), chosen.limit))
    pairs = [(one.id, one.text or "") for one in utterances]
    answers = answer_prompts(chosen.out / "answers.jsonl", pairs, chosen.llama, chosen)
    scanner, counts = find_scanner(chosen.personal_data), dict[str, int]()
    kept = [
        replace(
            one,
            extra={**one.extra, **learned(answers[one.id])},
        )
        for one in utterances
        if usable(answers[one.id], scanner, counts)
    ]
    return {**counts, "answered": write_manifest(chosen.out / "train.jsonl", kept)}


def speak_dev(chosen: DialogueOptions) -> dict[str, int]:
    """Questions nobody trains on, by a voice nobody trains on: single, after another turn, code-switched."""
    if chosen.text_dir is None:
        raise InputError("--text-dir is needed")
    prompts = list(_spread(read_prompts(chosen.text_dir, "dev", None), chosen.limit))
    counts: dict[str, int] = {}
    sets = {
        "dev": [_dev_text(prompt, {}) for prompt in prompts],
        "turns": list(_after_turns(prompts)),
        "switched": list(_switched()),
    }
    for name, texts in sets.items():
        made = write_spoken_set(chosen.out / f"{name}.jsonl", texts, lambda _: UNSEEN, chosen.seed)
        counts |= {f"{name}: {what}": count for what, count in made.items()}
    return counts


def _dev_text(prompt: Prompt, extra: dict[str, object]) -> SpokenText:
    more = {"never_train": True, "answers": list(prompt.answers), **extra}
    return SpokenText(prompt.id, prompt.text, "en", prompt.source, prompt.licence, extra=more)


def _after_turns(prompts: Sequence[Prompt]) -> Iterator[SpokenText]:
    """Every fourth question again, after a question that was answered: the history is text."""
    trivia = [prompt for prompt in prompts if prompt.answers]
    for before, prompt in zip(trivia[::4], trivia[1::4], strict=False):
        context = [
            {"role": "user", "content": before.text},
            {"role": "assistant", "content": f"{before.answers[0]}."},
        ]
        yield replace(_dev_text(prompt, {"context": context}), id=f"turns/{prompt.id}")


def _switched() -> Iterator[SpokenText]:
    """English questions about words of another language, as an English voice says them."""
    for number, (code, language, word, question, answers) in enumerate(_SWITCHED):
        text = question.format(word)
        extra = {"never_train": True, "answers": list(answers), "languages": ["en", code]}
        name = f"switched/{number:03d}"
        yield SpokenText(name, text, "en", f"written for this test ({language})", "Apache-2.0", extra=extra)


def _spread(all_items: Iterable[Item], limit: int) -> Iterator[Item]:
    """At most `limit`, taken evenly from all."""
    found = list(all_items)
    step = max(len(found) / max(limit, 1), 1.0)
    yield from (found[int(place * step)] for place in range(min(limit, len(found))))


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(DialogueOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
