"""COMET (Rei et al., 2020) of translations, where its package and a checkpoint are at hand; optional.

The package (unbabel-comet) brings a training framework of its own, so it is no dependency of this project.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.translation_scores import TextScore
from speech_core.checksums import sha256_of
from speech_core.errors import ConfigError, InputError


class Comet:
    """A COMET checkpoint, loaded at the first use."""

    def __init__(self, checkpoint: Path) -> None:
        """Raises ConfigError without the package, InputError when there is no such file."""
        try:
            self.version = version("unbabel-comet")
        except PackageNotFoundError:
            raise ConfigError("--comet needs its package: pip install unbabel-comet") from None
        if not checkpoint.is_file():
            raise InputError(f"{checkpoint} is no file: give --comet the checkpoint of a model, model.ckpt")
        self.checkpoint = checkpoint
        self._digest = sha256_of(checkpoint)[:12]

    def score(
        self,
        sources: Sequence[str],
        references: Sequence[str],
        hypotheses: Sequence[str],
        config: BootstrapConfig,
    ) -> TextScore:
        """Mean COMET over items times 100, with a bootstrap interval.

        sources: what was said, in its own language: the true transcripts. Raises InputError for lists that do
        not fit.
        """
        if len({len(sources), len(references), len(hypotheses)}) != 1 or not references:
            numbers = f"{len(sources)}, {len(references)} and {len(hypotheses)}"
            raise InputError(f"COMET needs a source, a reference and a translation each, not {numbers}")
        from comet import load_from_checkpoint

        rows = [
            {"src": source, "ref": reference, "mt": text}
            for source, reference, text in zip(sources, references, hypotheses, strict=True)
        ]
        made = load_from_checkpoint(str(self.checkpoint)).predict(rows, batch_size=8, gpus=0)
        values = 100 * np.asarray(made["scores"], dtype=np.float64)
        rng = np.random.default_rng(config.seed)
        draws = values[rng.integers(0, len(values), size=(config.resamples, len(values)))].mean(axis=1)
        low, high = np.percentile(draws, [50 * (1 - config.confidence), 50 * (1 + config.confidence)])
        signature = (
            f"comet|checkpoint:{self.checkpoint.name}-{self._digest}|version:{self.version}"
            f"|ci:bootstrap-item-{config.resamples}-{config.confidence:g}|seed:{config.seed}"
        )
        return TextScore("COMET", float(values.mean()), float(low), float(high), len(rows), signature)
