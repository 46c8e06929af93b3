"""Word errors and loss of the CTC heads of several models on held-out speech: which of them to go on with.

    python -m recipes.score_ctc --models RUNS/one/export RUNS/average --caches DATA/dev-* --llama LLAMA

Each model is a folder with `speech_encoder` and `speech_adapter`: an export of a run, an average, or a
bundle. Texts are the best class of every position, without search or language model: what is measured is the
weights. Prints a row for each model: loss per class, as the mean over batches, and word errors in percent, of
all caches and of each. Compare losses of one command only, for they depend on how clips are batched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.data.features_cache import FeatureCache
from recipes.loop.command import run_scoring
from recipes.loop.options import option
from recipes.losses.ctc_evaluation import first_items, held_out_figures
from recipes.losses.ctc_targets import CtcTargets
from recipes.training_loop import Metrics
from speech_adapter.model import load_speech_model
from speech_core.errors import ConfigError, InputError


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    models: tuple[Path, ...] = option((), "folders with speech_encoder and speech_adapter")
    caches: tuple[Path, ...] = option((), "feature caches of recipes.prepare_speech --part dev")
    llama: Path = option(Path(), "folder of their Llama")
    items: int = option(30, "items of each cache")
    batch_frames: int = option(16_000, "frames of a batch, at most; a longer clip is left out")
    out: Path | None = option(None, "file for the scores")

    def __post_init__(self) -> None:
        if not self.models or not self.caches:
            raise ConfigError("give the models, and the caches to measure them on")


def score_model(folder: Path, llama: Path, held_out: dict[str, list[SpeechBatch]]) -> Metrics:
    """Figures of one model, as `held_out_figures` names them."""
    model = load_speech_model(folder, llama).eval()
    return held_out_figures(model, CtcTargets.of_llama(llama, model.ctc.token_ids.tolist()), held_out)


def score(config: RunConfig, show: Callable[[str], None]) -> list[dict[str, Any]]:
    """A record of each model; `show` is given its row of the table."""
    held_out = {path.name: _clips(path, config) for path in config.caches}
    columns = ["held_out_ctc_loss", "wer", *(f"wer_{name}" for name in held_out)]
    show(f"| model | CTC loss | all, % | {' | '.join(held_out)} |\n|{'---|' * (len(columns) + 1)}")
    records = []
    for folder in config.models:
        figures = score_model(folder, config.llama, held_out)
        loss, *rates = (figures[name] for name in columns)
        show(f"| {folder} | {loss:.3f} | {' | '.join(f'{rate:.1f}' for rate in rates)} |")
        records.append({"model": str(folder), **figures})
    return records


def _clips(path: Path, config: RunConfig) -> list[SpeechBatch]:
    cache = FeatureCache([path])
    chosen = first_items(cache, config.items)
    if not chosen.any():
        raise InputError(f"{path} has no clip with text: see recipes.prepare_speech --part dev")
    return SpeechBatches.fixed(cache, config.batch_frames, chosen)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_scoring(RunConfig, score, __doc__ or "", argv)


if __name__ == "__main__":
    main()
