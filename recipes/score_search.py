"""Word errors of drafts by settings of the search, on recordings whose texts are known: how to choose them.

    python -m recipes.score_search --caches DATA/dev-* --settings "" "width=16" "weight=0.5 llama.margin=2" \
        "llama.most_texts=0"

A setting names fields of `BeamOptions`, and behind `llama.` those of `RescoringOptions`, that are other than
usual. The draft is what the Llama is asked about; its answer is left out. Each clip is encoded once. Prints a
row for each setting, with 95 % intervals. Choose on sets that are for choosing, and measure on others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from llama_speech.bundle import read_bundle
from llama_speech.evaluation.scores import (
    BootstrapConfig,
    Metric,
    Score,
    count_edits,
    prepare_texts,
    score_counts,
)
from llama_speech.loading import Placement, joined, language_model, llama_source, load_llama_parts
from recipes.batches.speech_batches import SpeechBatches
from recipes.data.features_cache import FeatureCache
from recipes.loop.command import run_scoring
from recipes.loop.options import option
from recipes.losses.ctc_evaluation import first_items
from speech_adapter.beam_search import BeamOptions
from speech_adapter.drafting import Drafter, LlamaText, Reader
from speech_adapter.language_model import LanguageModel
from speech_adapter.model import SpeechModel, load_speech_model
from speech_adapter.rescoring import RescoringOptions
from speech_core.errors import ConfigError, InputError

BATCH_FRAMES = 6_000
READING = "llama."
Chosen = TypeVar("Chosen", BeamOptions, RescoringOptions)


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    caches: tuple[Path, ...] = option((), "feature caches of recipes.prepare_speech --part dev")
    settings: tuple[str, ...] = option(("",), 'settings, each like "width=16 llama.margin=2"; "": as usual')
    items: int = option(30, "items of each cache")
    model: Path | None = option(None, "bundle with a language model (default: the shipped one)")
    llama: str | None = option(None, "another Llama than the bundle's own")
    language: str = option("English", "language of the recordings, by its English name")
    out: Path | None = option(None, "file for the scores")


class Clip(NamedTuple):
    """What the CTC head makes of a clip, (1, positions, 1 + vocabulary), and what was said."""

    log_probs: Tensor
    text: str


class Parts(NamedTuple):
    """What a search takes."""

    model: SpeechModel
    text: LlamaText
    language_model: LanguageModel
    reader: Reader | None


def read_setting(setting: str) -> tuple[BeamOptions, RescoringOptions]:
    """Options of a setting. Raises ConfigError for a name or number that is none."""
    beam, reading = BeamOptions(), RescoringOptions()
    for item in setting.split():
        name, _, value = item.partition("=")
        if name.startswith(READING):
            reading = _with(reading, name.removeprefix(READING), value, item)
        else:
            beam = _with(beam, name, value, item)
    return beam, reading


def _with(options: Chosen, name: str, value: str, item: str) -> Chosen:
    kinds = {field.name: type(getattr(options, field.name)) for field in fields(options)}
    if name not in kinds:
        raise ConfigError(f"{item!r} names no option: use {', '.join(kinds)}")
    try:
        return replace(options, **{name: kinds[name](value)})
    except ValueError:
        raise ConfigError(f"{item!r} has no number behind {name}") from None


def load_parts(config: RunConfig) -> Parts:
    """Model, Llama and language model of the bundle. Raises ConfigError if it has no language model."""
    bundle = read_bundle(config.model)
    found = language_model(bundle)
    if found is None:
        raise ConfigError(f"{bundle.folder} has no language_model, so its drafts are not searched for")
    source = llama_source(bundle, config.llama)
    engine, tokenizer, embeddings = load_llama_parts(source, Placement())
    model = load_speech_model(bundle.folder, embeddings())
    recognizer = joined(model, engine, tokenizer, found).recognizer
    return Parts(model, LlamaText(tokenizer, engine.embed), found, recognizer.reader(config.language))


@torch.inference_mode()
def hear(model: SpeechModel, caches: tuple[Path, ...], items: int) -> Iterator[Clip]:
    """The first clips with text of each cache. Raises InputError if there is none."""
    heard = 0
    for path in caches:
        cache = FeatureCache([path])
        for batch in SpeechBatches.fixed(cache, BATCH_FRAMES, first_items(cache, items)):
            embeds, lengths = model.adapter(*model.encoder(batch.features, batch.lengths))
            log_probs = model.ctc.log_probs(embeds)
            for row, text in enumerate(batch.texts):
                heard += 1
                yield Clip(log_probs[row : row + 1, : int(lengths[row])], text or "")
    if not heard:
        raise InputError("no cache has a clip with text: see recipes.prepare_speech --part dev")


@torch.inference_mode()
def score_setting(parts: Parts, clips: list[Clip], setting: str) -> Score:
    """Word error rate of the drafts by one setting."""
    beam, reading = read_setting(setting)
    drafter = Drafter(parts.model.ctc, parts.text, parts.language_model, beam, reading)
    reader = parts.reader if reading.most_texts > 1 else None
    got = [
        parts.text.tokenizer.decode(drafter(clip.log_probs, _length(clip), reader)[0].heard.token_ids)
        for clip in clips
    ]
    metric = Metric()
    counts = count_edits(prepare_texts([clip.text for clip in clips], metric), prepare_texts(got, metric))
    return score_counts(counts, metric, BootstrapConfig())


def _length(clip: Clip) -> Tensor:
    return torch.tensor([clip.log_probs.shape[1]])


def score(config: RunConfig, show: Callable[[str], None]) -> list[dict[str, Any]]:
    """A record of each setting; `show` is given a row of a table for each, as soon as it is known."""
    for setting in config.settings:
        read_setting(setting)  # what is wrong shows before the work
    parts = load_parts(config)
    clips = list(hear(parts.model, config.caches, config.items))
    show(f"| setting | word error rate, {len(clips)} clips, % |\n|---|---|")
    records = []
    for setting in config.settings:
        found = score_setting(parts, clips, setting)
        show(f"| {setting or 'as usual'} | {_percent(found)} |")
        records.append({"setting": setting, "rate": found.rate, "low": found.low, "high": found.high})
    return records


def _percent(found: Score) -> str:
    numbers = (found.rate, found.low, found.high)
    rate, low, high = ("-" if number is None else f"{100 * number:.1f}" for number in numbers)
    return f"{rate} [{low}, {high}]"


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_scoring(RunConfig, score, __doc__ or "", argv)


if __name__ == "__main__":
    main()
