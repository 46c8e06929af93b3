"""Score text normalization on held-out pairs, beside the figures of two grammar-based systems.

    python -m recipes.score_normalizer --data DIR [--lookahead 3] [--errors FILE] [--part train]
    python -m recipes.score_normalizer --data DIR --tagger RUN/export/text_normalizer [--llama FOLDER] \
        [--states DIR] [--rule-weight 0.5]

Without --tagger the rules choose. With --llama its states are computed, those in --states are read. DIR
holds google_tn/, libritts_tn/, ljspeech_tn/, engconf/ and nemo_cases/. The last line of the output is one
JSON object. The peers' figures were measured on the same files and are quoted, not run.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from llama_speech.evaluation.normalization import read_pairs
from llama_speech.evaluation.normalization_scores import FOLDS, Counts, Pair, count, fold3, is_right
from llama_speech.normalization import RULES_ALONE, Chooser, normalize
from recipes.loop.command import run_command
from recipes.loop.options import option
from tts_frontend.config import RIGHT_CONTEXT, NormalizerConfig

FILES = {
    "google_tn": "google_tn/{part}.tsv.gz",
    "google_tn peer sample": "google_tn/dev_peer_sample.tsv.gz",
    "libritts_tn": "libritts_tn/{part}.tsv.gz",
    "ljspeech_tn": "ljspeech_tn/{part}.tsv.gz",
    "engconf": "engconf/dev.tsv",
    "en_tn cases": "nemo_cases/en_tn.tsv",
    "wetext cases": "nemo_cases/wetext_en_tn.tsv",
    "en_tn_multi cases": "nemo_cases/en_tn_multi.tsv",
    "proteno_es": "proteno_es/{part}.tsv.gz",
}
SPANISH = ("proteno_es",)
PEERS_L3 = {  # sentence accuracy at L3, nemo_text_processing 1.2.0 and WeTextProcessing 1.2.0
    "google_tn peer sample": (95.0, 92.7),
    "libritts_tn": (86.7, 84.6),
    "ljspeech_tn": (96.2, 95.8),
    "engconf": (75.7, 80.9),
    "en_tn cases": (99.0, 81.5),
    "wetext cases": (76.3, 94.7),
    "en_tn_multi cases": (74.1, 70.7),
}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    data: Path = option(Path(), "folder with the sets")
    lookahead: int = option(RIGHT_CONTEXT, "tokens behind what is read")
    tagger: Path | None = option(None, "folder of a trained tagger")
    llama: Path | None = option(None, "folder of the Llama whose states the tagger sees")
    states: Path | None = option(None, "states of recipes.normalizer_states, in place of runs")
    rule_weight: float | None = option(None, "in place of the tagger's own")
    part: str = option("dev", "part of the sets", ("dev", "train"))
    sets: tuple[str, ...] = option(tuple(FILES), "which sets", FILES)
    errors: Path | None = option(None, "write the sentences that are wrong at L3 to this file")
    verify: bool = option(True, "parse readings back")


def score(pairs: Sequence[Pair], read: Callable[[str], str]) -> tuple[dict[str, Counts], list[str], float]:
    """Counts per level, the outputs, and words per second of one core."""
    start = time.process_time()
    outputs = [read(pair.written) for pair in pairs]
    seconds = time.process_time() - start
    words = sum(len(pair.written.split()) for pair in pairs)
    return {level: count(level, pairs, outputs) for level in FOLDS}, outputs, words / max(seconds, 1e-9)


def _errors(name: str, pairs: Sequence[Pair], outputs: Sequence[str]) -> Iterator[str]:
    for pair, output in zip(pairs, outputs, strict=True):
        if not is_right(fold3, pair, output):
            yield f"{name}\t{pair.label}\t{pair.written}\t{output}\t{' ||| '.join(pair.spoken)}"


def _chooser(config: RunConfig) -> Chooser:
    if not config.tagger:
        return RULES_ALONE
    from llama_speech.text_states import TextStates
    from recipes.batches.normalizer_places import CachedStates, StateCache
    from tts_frontend.tagger import Tagger

    tagger = Tagger.load(config.tagger)
    if config.rule_weight is not None:
        tagger.config = replace(tagger.config, rule_weight=config.rule_weight)
    llama = TextStates.from_folder(config.llama) if config.llama else None
    return Chooser(tagger, CachedStates(StateCache(config.states), llama) if config.states else llama)


def _row(name: str, counts: dict[str, Counts], speed: float) -> str:
    best = counts["L3"]
    peers = "{:5.1f} {:5.1f}".format(*PEERS_L3[name]) if name in PEERS_L3 else "    -     -"
    levels = " ".join(f"{counts[level].accuracy:5.1f}" for level in FOLDS)
    return (
        f"{name:22} {best.total:6} {levels}  {best.changed_accuracy:5.1f} of {best.changed:5}  "
        f"{best.spoiled:4} {best.rejected:4}  {peers}  {speed:8.0f}"
    )


def run(config: RunConfig) -> None:
    """Print one row per set and one JSON object. Raises InputError for a set that is not there."""
    print(f"{'set':22} {'pairs':>6}    L1    L2    L3  L3 of changed  spoiled rejected  NeMo WeText  words/s")
    chooser = _chooser(config)
    wrong: list[str] = []
    report = {}
    for name in config.sets:
        pairs = read_pairs(config.data / FILES[name].format(part=config.part)).pairs
        language = "es" if name in SPANISH else "en"
        rules = NormalizerConfig(language, config.lookahead, config.verify)
        chosen_by = RULES_ALONE if name in SPANISH else chooser
        counts, outputs, speed = score(pairs, partial(normalize, config=rules, chooser=chosen_by))
        wrong += _errors(name, pairs, outputs)
        print(_row(name, counts, speed), flush=True)
        report[name] = {level: round(counts[level].accuracy, 2) for level in FOLDS}
    if config.errors:
        config.errors.write_text("\n".join(wrong) + "\n", encoding="utf-8")
    print(json.dumps({"lookahead_tokens": config.lookahead, "accuracy": report}))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, run, __doc__ or "", argv)


if __name__ == "__main__":
    main()
