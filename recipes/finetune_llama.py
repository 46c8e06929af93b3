"""Train boundary embeddings, adapter or all of the speech part through the frozen Llama, to repeat speech.

    # the boundary embeddings, on text alone
    python -m recipes.finetune_llama --llama CACHE/default-llama --init RUNS/ctc/export --text-share 1 \
        --text-join 8 --text-noise 0.7 --text-mix 0.4 \
        --caches DATA/synthetic-en --run-dir RUNS/boundaries --max-steps 150 --learning-rate 0.01
    # the adapter, on speech
    python -m recipes.finetune_llama --llama CACHE/default-llama --init RUNS/boundaries/export \
        --train adapter --caches DATA/real-en DATA/synthetic-en --run-dir RUNS/llama --max-steps 2000

    # recognition, translation and dialogue at once (recipes.prepare_translation, recipes.prepare_dialogue)
    python -m recipes.finetune_llama ... --recognition-share 0.6 --translation-share 0.25 \
        --dialogue-share 0.15 --dialogue-distribution 1 --ctc-weight 0.3

On a CPU, for a look: `--max-steps 5 --batch-frames 2000`. The two boundary embeddings are a soft prompt:
trained on text alone, with token embeddings in the place of speech, they teach a small Llama to repeat;
joined and disturbed texts (recipes/batches/text_as_speech.py) prepare them for what a recognizer gives. The
loss is the cross-entropy of the answer and its end-of-turn token (arXiv 2407.21783, section 8.3), of dialogue
also what the Llama foresees from the transcript (recipes/losses/llama_losses.py); the Llama never changes.
Where the adapter learns, `--ctc-weight` keeps what its CTC head hears.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recipes import training_loop
from recipes.batches.mixture import MixtureConfig, Target, item_weights, target_of
from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.batches.text_as_speech import Disturbance, disturb, join_texts
from recipes.data.augment import SpecAugmentConfig, spec_augment
from recipes.data.features_cache import FeatureCache
from recipes.loop.options import option
from recipes.loop.recipe import held_out_figures, run_recipe
from recipes.loop.stages import stages_of
from recipes.losses.ctc_targets import CtcTargets
from recipes.losses.llama_losses import answer_loss
from recipes.losses.speech_losses import ctc_loss
from recipes.training_loop import LoopConfig, Metrics
from speech_adapter.llama import FrozenLlama, LlamaOptions, load_llama
from speech_adapter.model import SpeechModel, load_speech_model, save_speech_model
from speech_adapter.prompts import (
    PAPER_LANGUAGES,
    Speech,
    Turn,
    end_of_turn_id,
    language_name,
    recognition_turns,
    render,
)
from speech_adapter.sequence import InputSequence, build_sequence
from speech_core.errors import ConfigError

PARTS = ("boundaries", "adapter", "all")


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    llama: Path = option(Path(), "folder of the frozen Llama")
    llama_dtype: str = option("auto", "float32, bfloat16 or float16; auto: bfloat16 where the loop takes it")
    llama_bits: int | None = option(None, "8 or 4: a quantized Llama, for one that fits on no GPU otherwise")
    init: Path = option(Path(), "folder with speech_encoder and speech_adapter to go on from")
    boundaries: Path | None = option(None, "export folder whose boundary embeddings to begin with")
    caches: tuple[Path, ...] = option((), "feature caches to learn from; items without text are left out")
    held_out: tuple[Path, ...] = option((), "feature caches to measure on")
    held_out_items: int = option(20, "items of each held-out cache to measure on")
    train: str = option("boundaries", f"what learns: {', '.join(PARTS)} (all: the encoder too)")
    text_share: float = option(0.0, "share of batches with token embeddings in the place of speech")
    text_join: int = option(1, "most texts joined in the place of speech")
    text_noise: float = option(0.0, "most noise on their embeddings, in deviations of the Llama's")
    text_mix: float = option(0.0, "farthest way of a token towards another one, as a share")
    language: str = option("English", "language of the prompt")
    batch_frames: int = option(3_000, "frames of one batch, padding included (100 a second)")
    max_item_frames: int = option(1_500, "longer items are left out")
    encoder_rate: float = option(0.2, "learning rate of the encoder over that of the adapter")
    ctc_weight: float = option(0.0, "weight of the CTC loss of items in the language of the prompt")
    spec_augment: bool = option(True, "mask bands and times of the features")
    mixture: MixtureConfig = field(default_factory=MixtureConfig)

    def __post_init__(self) -> None:
        if self.train not in PARTS:
            raise ConfigError(f"train is {self.train!r}: use one of {', '.join(PARTS)}")
        self.disturbance  # noqa: B018  raises for impossible values

    @property
    def disturbance(self) -> Disturbance:
        """How texts in the place of speech differ from clean single sentences."""
        return Disturbance(self.text_join, self.text_noise, self.text_mix)


class LlamaStageModel(nn.Module):
    """The speech part in front of the frozen Llama; called by the loop with a batch."""

    def __init__(self, speech: SpeechModel, llama: FrozenLlama, config: RunConfig) -> None:
        super().__init__()
        self.speech, self.config = speech, config
        self._llama = llama  # no nn.Module: neither saved nor trained
        self._ctc_targets = CtcTargets.of_llama(config.llama, speech.ctc.token_ids.tolist())
        self._end = end_of_turn_id(llama.tokenizer)
        for parameter in self.parameters():
            parameter.requires_grad_(config.train == "all")
        if config.train == "adapter":
            speech.adapter.requires_grad_(True)
        speech.adapter.boundaries.requires_grad_(True)

    def forward(self, batch: SpeechBatch) -> tuple[Tensor, Metrics]:
        """Mean loss per token of the answers, and the share of tokens foreseen."""
        generator = torch.Generator().manual_seed(batch.seed)
        as_text = float(torch.rand((), generator=generator)) < self.config.text_share
        mixed = self.config.mixture.mixed
        texts = [text or "" for text in batch.texts]
        ctc: Tensor | None = None
        if as_text:
            if not mixed:
                texts = join_texts([text for text in texts if text], self.config.text_join, generator)
            parts = self._text_parts(texts, generator)
        else:
            parts, ctc = self._speech_parts(batch, generator)
        if mixed:
            targets = self._mixed_targets(parts, batch)
        else:
            targets = [self._repetition(part, text) for part, text in zip(parts, texts, strict=True)]
        loss, figures = self._answer_loss([target for target in targets if target is not None])
        if self.config.ctc_weight:
            figures["ctc_loss"] = math.nan if ctc is None else float(ctc.detach())
        if ctc is not None:
            loss = loss + self.config.ctc_weight * ctc
        return loss, {**figures, "as_text": float(as_text)}

    def _answer_loss(self, targets: list[Target]) -> tuple[Tensor, Metrics]:
        share = self.config.mixture.dialogue_distribution
        if not targets:  # nothing was heard in the whole batch: nothing to learn from it
            nothing = self.speech.adapter.boundaries.sum() * 0.0
            return nothing, {"foreseen": math.nan, "answer_loss": math.nan}
        heard = [self._sequence(target.turns, target) for target in targets]
        written = [
            self._sequence(target.written, target) if share and target.written else None for target in targets
        ]
        return answer_loss(self._llama, heard, written, share)

    def _repetition(self, part: Tensor, text: str) -> Target | None:
        if not text or not len(part):
            return None
        return Target(recognition_turns(Speech(part), self.config.language), _squeezed(text))

    def _mixed_targets(self, parts: list[Tensor], batch: SpeechBatch) -> list[Target | None]:
        """What each utterance of a mixture teaches, by its own task and language."""
        pairs = zip(parts, batch.records, strict=True)
        return [target_of(record, Speech(part)) if len(part) else None for part, record in pairs]

    def _sequence(self, turns: list[Turn], target: Target) -> InputSequence:
        tokenizer = self._llama.tokenizer
        answer = tokenizer.encode(target.answer) + [self._end] * target.ends
        return build_sequence(
            render(tokenizer, turns), self._llama.embed, self.speech.adapter.boundaries, answer
        )

    def _text_parts(self, texts: list[str], generator: torch.Generator) -> list[Tensor]:
        """Token embeddings of the texts, as speech embeddings, disturbed as the options say."""
        table = self._llama.embedding_table.detach()
        clean = [
            self._llama.embed(torch.tensor(self._written(_squeezed(text)), dtype=torch.int64))
            for text in texts
        ]
        return [disturb(part, table, self.config.disturbance, generator) for part in clean]

    def _written(self, text: str) -> list[int]:
        """Token ids of a text as the CTC head would hear it; the Llama's own where it cannot write it."""
        tokenizer, targets = self._llama.tokenizer, self._ctc_targets
        heard = [targets.token_ids[number - 1] for number in targets(text)]
        return heard if tokenizer.decode(heard) == text else tokenizer.encode(text)

    def _speech_parts(
        self, batch: SpeechBatch, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor | None]:
        """What the adapter gives for the sound, one (positions, d_llama) for each item; CTC loss if asked."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.train != "boundaries"):
            encoder = self.speech.encoder
            lengths = batch.lengths.to(encoder.feature_mean.device)
            features = encoder.normalise(batch.features.to(lengths.device))
            if self.training and self.config.spec_augment:
                features = spec_augment(features, lengths, SpecAugmentConfig(), generator)
            embeds, positions = self.speech.adapter(*encoder.encode(features, lengths))
            loss = self._ctc_loss(embeds, positions, batch)
            if self.speech.adapter.config.compression == "ctc":
                embeds, positions = self.speech.ctc.compress(self.speech.ctc.log_probs(embeds), positions)
        return [item[:count] for item, count in zip(embeds, positions.tolist(), strict=True)], loss

    def _ctc_loss(self, embeds: Tensor, positions: Tensor, batch: SpeechBatch) -> Tensor | None:
        """CTC loss of the items in the language of the prompt, None if it is not asked for or there is none.

        embeds (batch, positions, d_llama), positions (batch,).
        """
        wanted = self.config.language
        rows = [row for row, record in enumerate(batch.records) if _language(record) == wanted]
        if not self.config.ctc_weight or not rows:
            return None
        classes = [self._ctc_targets(batch.texts[row] or "") for row in rows]
        return ctc_loss(self.speech.ctc.log_probs(embeds[rows]), positions[rows], classes)


def _language(record: dict[str, Any]) -> str:
    """English name of the language of a stored utterance; what the prompts have no name for stays a code."""
    code = str(record["language"])
    return language_name(code) if code in PAPER_LANGUAGES else code


def _squeezed(text: str) -> str:
    return " ".join(text.split())


@dataclass
class LlamaStageTask:
    """What the loop trains."""

    model: LlamaStageModel
    batches: SpeechBatches
    held_out: list[SpeechBatch]
    config: RunConfig
    earlier: list[dict[str, Any]] = field(default_factory=list)

    def audio_seconds(self, batch: SpeechBatch) -> float:
        """Seconds of audio in a batch; none when text alone is learned from."""
        return 0.0 if self.config.text_share >= 1 else float(batch.lengths.sum()) / self.batches.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The encoder apart, for a rate of its own; boundaries without weight decay."""
        decay = self.config.loop.weight_decay
        speech = self.model.speech
        encoder = training_loop.plain_groups(speech.encoder, decay)
        rest = training_loop.plain_groups(nn.ModuleList([speech.adapter, speech.ctc]), decay)
        groups = [{**group, "scale": self.config.encoder_rate} for group in encoder] + rest
        return [group for group in groups if group["params"]]

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Cross-entropy and share of tokens foreseen on held-out speech."""
        return held_out_figures(model, self.held_out)

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """Encoder, adapter and CTC head, with the record of the stages before."""
        of_what = self.config.train + (", text alone" if self.config.text_share >= 1 else "")
        method = f"through the frozen Llama ({of_what})"
        record = {**training, "method": method, "earlier": self.earlier}
        save_speech_model(folder, model.speech, record)  # type: ignore[arg-type]


def build(config: RunConfig) -> LlamaStageTask:
    """Model and data of one run."""
    torch.manual_seed(config.loop.seed)
    dtype = config.llama_dtype
    speech = load_speech_model(config.init, config.llama)
    if config.boundaries:
        begun = load_speech_model(config.boundaries, config.llama).adapter.boundaries.detach()
        speech.adapter.boundaries = nn.Parameter(begun)
    if dtype == "auto":
        dtype = (
            "bfloat16"
            if training_loop.choose_precision(config.loop.precision, speech) == "bf16"
            else "float32"
        )
    place = LlamaOptions(dtype, training_loop.process_device(), load_in_bits=config.llama_bits)
    model = LlamaStageModel(speech, load_llama(config.llama, place), config)
    cache = FeatureCache(config.caches)
    weights = item_weights(cache, config.mixture) if config.mixture.mixed else _with_text(cache)
    weights = weights * (cache.lengths <= config.max_item_frames)
    batches = SpeechBatches(
        cache, config.batch_frames, config.loop.seed, 30, weights, share=training_loop.process_share()
    )
    held_out = [batch for path in config.held_out for batch in _some(path, config)]
    return LlamaStageTask(model, batches, held_out, config, _stages_before(config))


def _stages_before(config: RunConfig) -> list[dict[str, Any]]:
    """Records of the stages whose weights this run begins with, oldest first."""
    stages = stages_of(config.init / "speech_adapter")
    return [*stages, *stages_of(config.boundaries / "speech_adapter")[-1:]] if config.boundaries else stages


def _with_text(cache: FeatureCache) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(bool(text)) for text in cache.texts])


def _some(path: Path, config: RunConfig) -> list[SpeechBatch]:
    """The first items of a held-out cache that have text."""
    cache = FeatureCache([path])
    chosen = _with_text(cache)
    chosen *= np.cumsum(chosen) <= config.held_out_items
    return SpeechBatches.fixed(cache, config.batch_frames, chosen)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
