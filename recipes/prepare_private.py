"""Transcripts without personal data: what a scanner finds is dropped or masked, and counted by kind.

    python -m recipes.prepare_private --manifest SET.jsonl --out DATA/clean --personal-data presidio
    python -m recipes.prepare_private --speech-dir SPEECH --sets librispeech --out DATA/clean --action mask

Presidio (pip install 'llama-speech[privacy]', and a spaCy model) searched the transcripts of the paper (arXiv
2407.21783, 8.1). Dropping takes the utterance away; masking leaves the sound as it is and writes the kind in
the place of the words, for sets whose sound is used without its text. `found.jsonl` says what was found
where, with the kind and the place, never the words.
"""

import functools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recipes.data.corpora import transcribed
from recipes.data.engines import Workers, map_tasks
from recipes.data.manifests import Utterance, write_counts, write_manifest
from recipes.data.personal_data import Finding, find_scanner, masked
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import ConfigError

_AT_ONCE = 256  # transcripts of one task


@dataclass(frozen=True)
class PrivateOptions:
    """Options of this recipe."""

    out: Path = option(Path(), "folder to write train.jsonl, found.jsonl and counts.json to")
    manifest: Path | None = option(None, "transcripts to scan")
    speech_dir: Path | None = option(None, "folder of speech sets")
    sets: tuple[str, ...] = option((), "scan the training transcripts of these sets of --speech-dir")
    personal_data: str = option("presidio", "scanner: patterns, presidio, presidio:SPACY_MODEL")
    action: str = option("drop", "what becomes of an utterance with personal data", ("drop", "mask"))
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        if (self.manifest is None) == (not self.sets):
            raise ConfigError("give one of --manifest and --sets")
        if self.personal_data == "none":
            raise ConfigError("--personal-data none finds nothing: use patterns or presidio")


_scanner = functools.cache(find_scanner)  # loaded once in each process


def _scan(task: tuple[Sequence[Utterance], str]) -> list[tuple[Utterance, Sequence[Finding]]]:
    part, name = task
    scanner = _scanner(name)
    return [(one, scanner.found(one.text or "") if scanner else ()) for one in part]


def prepare(chosen: PrivateOptions) -> Counter[str]:
    """Write what is left; counts of utterances, and of findings by kind."""
    utterances = list(transcribed(chosen.manifest, chosen.speech_dir, chosen.sets))
    tasks = [
        (utterances[start : start + _AT_ONCE], chosen.personal_data)
        for start in range(0, len(utterances), _AT_ONCE)
    ]
    counts, kept, notes = Counter[str]({"scanned": len(utterances)}), list[Utterance](), list[str]()
    for part in map_tasks(_scan, tasks, chosen.workers):
        for one, found in part:
            counts.update(kind for _, _, kind in found)
            if found:
                counts["masked" if chosen.action == "mask" else "dropped"] += 1
                notes.append(json.dumps({"id": one.id, "found": found}) + "\n")
            if not found:
                kept.append(one)
            elif chosen.action == "mask":
                kept.append(replace(one, text=masked(one.text or "", found)))
    write_manifest(chosen.out / "train.jsonl", kept)
    (chosen.out / "found.jsonl").write_text("".join(notes), encoding="utf-8")
    write_counts(chosen.out, counts)
    return counts


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(PrivateOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
