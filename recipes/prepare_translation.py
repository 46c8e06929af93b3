"""Speech translation: parallel sentences spoken by teachers, and transcripts translated by machine.

    python -m recipes.prepare_translation --text-dir TEXT --speech-dir SPEECH --language de --limit 4000 \
        --out DATA/translation-de                        # spoken: DATA/translation-de/train.jsonl
    python -m recipes.prepare_translation --speech-dir SPEECH --sets drascula asterisk-core --to en \
        --out DATA/translated                            # recordings that carry a translation
    python -m recipes.prepare_translation --manifest FILE.jsonl --mt nllb --to en --out DATA/translated
    python -m recipes.prepare_translation --mt 'command:PROGRAM {source} {target}' ...
    python -m recipes.prepare_speech --manifest DATA/translation-de/train.jsonl --language de --out FEATURES

Spoken languages: de, es, fr, it (one Pico voice each, its pitch, pace and timbre drawn anew for each
sentence); `--reverse` speaks the English side instead, to translate out of English. Transcripts are
translated where they have no translation yet, filtered, and every line says by which system (arXiv
2407.21783, 8.1 used NLLB).
"""

import functools
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from recipes.data.corpora import transcribed
from recipes.data.engines import Workers, map_tasks
from recipes.data.held_out import HeldOutTexts, load_held_out, read_rows
from recipes.data.machine_translation import MachineTranslator, fault, make_translator
from recipes.data.manifests import Utterance, read_manifest, write_counts
from recipes.data.personal_data import find_scanner
from recipes.data.prompts import why_not
from recipes.data.spoken_sets import SpokenText, pico_of, write_spoken_set
from recipes.data.teachers import TEACHER_SHARES
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

_AT_ONCE = 64  # transcripts between two writes to the disk
_SYMBOLS = "digits or signs"


@dataclass(frozen=True)
class TranslationOptions:
    """Options of this recipe."""

    out: Path = option(Path(), "folder to write")
    text_dir: Path | None = option(None, "folder with parallel/LANGUAGE-en.tsv.gz")
    speech_dir: Path | None = option(None, "folder of speech sets whose dev texts are never spoken")
    language: str = option("de", "of the sentences: de, es, fr, it")
    reverse: bool = option(False, "speak the English side")
    manifest: Path | None = option(None, "translate these transcripts instead of speaking sentences")
    sets: tuple[str, ...] = option((), "translate the transcripts of these sets of --speech-dir instead")
    mt: str = option(
        "", "translator: command:PROGRAM, nllb, nllb:MODEL (default: the translations there are)"
    )
    to: str = option("en", "language of the translations of --sets and --manifest")
    limit: int = option(1000, "most sentences")
    personal_data: str = option("none", "scan transcripts: none, patterns, presidio")
    seed: int = option(0, "of the choice and the voices")
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        if [self.text_dir is None, self.manifest is None, not self.sets].count(False) != 1:
            raise ConfigError("give one of --text-dir, --sets and --manifest")


def read_pairs(text_dir: Path, language: str, held_out: HeldOutTexts) -> Iterator[tuple[int, str, str, str]]:
    """(number, sentence, English, origin) of the train rows that may be spoken; the rest is counted."""
    path = text_dir / "parallel" / f"{language}-en.tsv.gz"
    if not path.is_file():
        raise InputError(f"{path} does not exist: there are no parallel sentences of {language!r}")
    dropped: Counter[str] = Counter()
    for number, row in enumerate(read_rows(path)):
        if len(row) < 4 or row[0] != "train":
            continue
        reasons = [why_not(text) for text in row[1:3]]
        reason = next((one for one in reasons if one and one != _SYMBOLS), None)
        if reason is None and any(any(mark.isdigit() for mark in text) for text in row[1:3]):
            reason = "digits"
        if reason is None and (held_out.holds(row[1]) or held_out.holds(row[2])):
            reason = "held out"
        if reason:
            dropped[reason] += 1
            continue
        yield number, row[1], row[2], row[3]
    logger.info("left out: %s", ", ".join(f"{count} {what}" for what, count in dropped.items()) or "nothing")


def speak_pairs(chosen: TranslationOptions) -> Counter[str]:
    """Parallel sentences as a spoken set with translations."""
    if chosen.text_dir is None:
        raise InputError("--text-dir is needed")
    held_out = load_held_out(chosen.speech_dir, chosen.text_dir)
    pairs = list(read_pairs(chosen.text_dir, chosen.language, held_out))
    order = np.random.default_rng(chosen.seed).permutation(len(pairs))[: chosen.limit]
    english = list(TEACHER_SHARES)
    texts, teachers = list[SpokenText](), dict[str, str]()
    for place, row in enumerate(order):
        number, foreign, native, origin = pairs[row]
        spoken, written = (native, foreign) if chosen.reverse else (foreign, native)
        source, target = ("en", chosen.language) if chosen.reverse else (chosen.language, "en")
        name = f"parallel/{source}-{target}-{number:05d}"
        teachers[name] = english[place % len(english)] if chosen.reverse else pico_of(chosen.language)
        texts.append(
            SpokenText(
                name,
                spoken,
                source,
                origin,
                "CC BY 2.0 FR",
                {target: written},
                {"task": "translation", "to": target, "translated_by": "people"},
            )
        )
    return write_spoken_set(chosen.out / "train.jsonl", texts, lambda text: teachers[text.id], chosen.seed)


def translate_transcripts(chosen: TranslationOptions) -> Counter[str]:
    """Recordings with transcripts, each with a translation into --to; goes on where it stopped."""
    path = chosen.out / "train.jsonl"
    done = {one.id for one in read_manifest(path)} if path.exists() else set[str]()
    counts = Counter[str]({"known": len(done)})
    waiting = list(islice(_untranslated(chosen, done), chosen.limit))
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = [(waiting[start : start + _AT_ONCE], chosen) for start in range(0, len(waiting), _AT_ONCE)]
    for found, records in map_tasks(_translate_part, parts, chosen.workers):
        counts += found
        with path.open("a", encoding="utf-8") as lines:
            for record in records:
                lines.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
    return counts


def _untranslated(chosen: TranslationOptions, done: set[str]) -> Iterator[Utterance]:
    """What is said in another language and can be translated; without a translator by the set alone."""
    for one in transcribed(chosen.manifest, chosen.speech_dir, chosen.sets):
        if one.language != chosen.to and one.id not in done and (chosen.mt or chosen.to in one.translation):
            yield one


def _translate_part(task: tuple[list[Utterance], TranslationOptions]) -> tuple[Counter[str], list[Utterance]]:
    """Counts of some utterances, and those whose translation is learned from."""
    part, chosen = task
    counts, kept = Counter[str](), []
    scanner = _scanner(chosen.personal_data)
    clean = [one for one in part if scanner is None or not scanner.found(one.text or "")]
    counts["personal data"] = len(part) - len(clean)
    for one, translation, by in _translated(clean, chosen.to, _translator(chosen.mt) if chosen.mt else None):
        reason = fault(one.text or "", translation)
        counts[reason or "translated"] += 1
        if reason is None:
            extra = {**one.extra, "task": "translation", "to": chosen.to, "translated_by": by}
            kept.append(replace(one, translation={**one.translation, chosen.to: translation}, extra=extra))
    return counts, kept


_scanner = functools.cache(find_scanner)  # loaded once in each process
_translator = functools.cache(make_translator)


def _translated(
    part: Sequence[Utterance], target: str, translator: MachineTranslator | None
) -> Iterator[tuple[Utterance, str, str]]:
    """Each utterance with its translation and who made it; what people translated stays."""
    by_language: dict[str, list[Utterance]] = {}
    for one in part:
        if target in one.translation:
            yield one, one.translation[target], "the set"
        else:
            by_language.setdefault(one.language, []).append(one)
    if translator is None:
        return
    for language, utterances in by_language.items():
        made = translator.translate([one.text or "" for one in utterances], language, target)
        yield from zip(utterances, made, [translator.name] * len(made), strict=True)


def prepare(chosen: TranslationOptions) -> Counter[str]:
    """Write what the options ask for; counts of what was made and left out."""
    counts = translate_transcripts(chosen) if chosen.text_dir is None else speak_pairs(chosen)
    write_counts(chosen.out, counts)
    return counts


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(TranslationOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
