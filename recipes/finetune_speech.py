"""Train encoder and adapter by CTC in the embedding space of a frozen Llama, without a pass through it.

    python -m recipes.finetune_speech --llama CACHE/default-llama --caches DATA/real-en DATA/synthetic-en \
        --held-out DATA/dev-* --encoder RUNS/best-rq/export/speech_encoder --run-dir RUNS/ctc \
        --max-steps 20000
    accelerate launch -m recipes.finetune_speech --encoder-preset paper --adapter-preset paper_8b ...

On a CPU, for a look: add `--encoder-preset tiny --adapter-preset tiny --max-steps 50`. The next stage,
through the Llama, is `recipes.finetune_llama`. Method: speech_adapter/ctc.py; the auxiliary head over small
units on the encoder, the naming of phones, and the foreseeing of a teacher's states (`--teacher-weight`),
where a cache has them, only speed the training and are thrown away (LoopConfig and RunConfig list all
options).
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.data.augment import SpecAugmentConfig, spec_augment, warp_bands
from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from recipes.data.teacher_states import TeacherStates
from recipes.loop.options import option
from recipes.loop.processes import first_process_first
from recipes.loop.recipe import run_recipe
from recipes.loop.stages import stages_of
from recipes.losses.consistency import consistency_loss, twice
from recipes.losses.ctc_evaluation import first_items, held_out_figures
from recipes.losses.ctc_targets import (
    CtcTargets,
    choose_pieces,
    choose_vocabulary,
    load_targets,
    save_targets,
    train_small_units,
)
from recipes.losses.distillation import TeacherHead
from recipes.losses.phone_ctc import PhoneCtcHead, PhoneDictionary, PhoneFigures
from recipes.losses.speech_losses import PHONES, ctc_loss_of_scores, phone_labels
from recipes.training_loop import LoopConfig, Metrics
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, load_speech_model, read_token_embeddings, save_speech_model
from speech_core.checkpoint import load_config, load_weights
from speech_core.errors import ConfigError
from speech_core.masks import Chunking
from speech_encoder.config import ENCODER_PRESETS, EncoderConfig
from speech_encoder.conformer import SpeechEncoder

HEAD_BATCHES = 100  # on which the head for a teacher's states is solved, where the encoder is trained already


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    llama: Path = option(Path(), "folder of the frozen Llama (its embedding matrix and tokenizer are read)")
    caches: tuple[Path, ...] = option((), "feature caches to learn from; items without text are left out")
    weights: tuple[float, ...] = option((), "how often items of each cache come in an epoch (default: once)")
    held_out: tuple[Path, ...] = option((), "feature caches to measure the word error rate on")
    held_out_items: int = option(30, "items of each held-out cache to measure on")
    init: Path | None = option(None, "folder with speech_encoder and speech_adapter to go on from")
    encoder: Path | None = option(None, "folder of a pre-trained encoder to start from")
    encoder_preset: str = option("small", "encoder sizes without one", choices=ENCODER_PRESETS)
    adapter_preset: str = option("small", "adapter sizes", choices=ADAPTER_PRESETS)
    vocabulary: int = option(4096, "Llama tokens the CTC head knows")
    pieces: int = option(
        0,
        "the head knows only tokens of so many first merges of the Llama's: parts of words, for little data",
    )
    least_count: int = option(20, "with --pieces: how often a piece has to come in the texts")
    small_units: int = option(512, "units of the auxiliary head on the encoder")
    auxiliary_weight: float = option(0.4, "weight of the auxiliary loss")
    batch_frames: int = option(16_000, "frames of one batch, padding included (100 a second)")
    most_letters_per_s: float = option(
        25.0, "items with more text than can be spoken are left out: a wrong label"
    )
    label_hours: float = option(0.0, "use so many hours of labelled speech only, a seeded choice; 0 = all")
    max_item_frames: int = option(2_000, "longer items are left out")
    phone_weight: float = option(1.0, "weight of naming phones, for items of recipes.prepare_phones")
    teacher_weight: float = option(
        0.0, "weight of foreseeing the states of recipes.prepare_teacher; 0 = none are read"
    )
    dictionary: Path | None = option(
        None, "pronouncing dictionary like CMUdict; with it the encoder learns phones by CTC"
    )
    dictionary_weight: float = option(1.0, "weight of these phones")
    consistency: float = option(
        0.0, "CR-CTC: weight of how far two augmented views of a batch differ; 0 = one view"
    )
    warp: float = option(0.0, "shift of frequencies in training, up to this share: other voices")
    spec_augment: bool = option(True, "mask bands and times of the features")
    spec_augment_size: float = option(1.0, "widths of these masks over the usual ones, 0 to 1")
    chunk_share: float = option(0.4, "share of batches encoded in random blocks, for live use")
    encoder_rate: float = option(
        1.0, "learning rate of the encoder over that of the rest; 0: it stays as it is"
    )

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.caches):
            raise ConfigError(
                f"{len(self.caches)} caches have {len(self.weights)} weights: give one for each"
            )


class CtcModel(nn.Module):
    """Encoder, adapter and CTC head, with the auxiliary head; called by the loop with a batch."""

    def __init__(
        self,
        speech: SpeechModel,
        targets: CtcTargets,
        small_units: Tokenizer,
        config: RunConfig,
        teacher_dimensions: int = 0,
    ) -> None:
        """teacher_dimensions: of the states to foresee; 0 = none."""
        super().__init__()
        self.speech = speech
        width = speech.encoder.config.d_model
        self.auxiliary = nn.Linear(width, small_units.get_vocab_size())
        self.phones = nn.Linear(width, len(PHONES))
        self.teacher = (
            TeacherHead(width, teacher_dimensions, speech.encoder.config.stack)
            if teacher_dimensions
            else None
        )
        self.dictionary = PhoneDictionary.read(config.dictionary) if config.dictionary else None
        self.spoken_phones = (
            PhoneCtcHead(width, speech.encoder.config.encoding_s) if self.dictionary else None
        )
        self.targets, self.small_units, self.config = targets, small_units, config

    def forward(self, batch: SpeechBatch) -> tuple[Tensor, Metrics]:
        """Summed CTC losses per target class, and figures of a batch."""
        batch = twice(batch) if self.config.consistency else batch
        generator = torch.Generator().manual_seed(batch.seed)
        encoder = self.speech.encoder
        lengths = batch.lengths.to(encoder.feature_mean.device)
        warped = warp_bands(batch.features, self.config.warp, encoder.config.features, generator)
        features = encoder.normalise(warped.to(lengths.device))
        if self.config.spec_augment:
            masks = SpecAugmentConfig.of_size(self.config.spec_augment_size)
            features = spec_augment(features, lengths, masks, generator)
        chunking = random_chunking(self.config.chunk_share, self.speech.adapter.config.stride, generator)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.encoder_rate > 0):
            encodings, encoding_lengths = encoder.encode(features, lengths, chunking)
        embeds, positions = self.speech.adapter(encodings, encoding_lengths, chunking)
        classes = [self.targets(text or "") for text in batch.texts]
        scores = self.speech.ctc.scores(embeds)
        loss = ctc_loss_of_scores(scores, positions, classes)
        figures = {"ctc_loss": float(loss.detach())}
        if self.config.consistency:
            apart = consistency_loss(scores, positions) / max(sum(map(len, classes)) / 2, 1)
            figures["consistency_loss"] = float(apart.detach())
            loss = loss + self.config.consistency * apart
        for weight, name, aid in self._aids(batch, encodings, encoding_lengths):
            figures[name] = float(aid.detach()) or math.nan  # zero: nothing to learn from in this batch
            loss = loss + weight * aid
        return loss, figures

    def _aids(
        self, batch: SpeechBatch, encodings: Tensor, lengths: Tensor
    ) -> Iterator[tuple[float, str, Tensor]]:
        """Weight, name and value of each loss that speeds the training; one of weight 0 costs nothing."""
        config = self.config
        texts = [text or "" for text in batch.texts]
        if config.auxiliary_weight:
            units = [self.small_units.encode(text).ids for text in texts]
            loss = ctc_loss_of_scores(self.auxiliary(encodings), lengths, units)
            yield config.auxiliary_weight, "auxiliary_loss", loss
        if config.phone_weight:
            labels = phone_labels(batch.extras, lengths, self.speech.encoder.config.encoding_s)
            scores = self.phones(encodings).float().transpose(1, 2)
            loss = functional.cross_entropy(scores, labels, reduction="sum")
            yield config.phone_weight, "phone_loss", loss / max(int((labels >= 0).sum()), 1)
        if self.spoken_phones is not None and self.dictionary is not None:
            phones = [self.dictionary(text) for text in texts]
            loss = self.spoken_phones(encodings, lengths, phones)
            yield config.dictionary_weight, "dictionary_loss", loss
        if self.teacher is not None and batch.teacher is not None:
            loss = self.teacher(encodings, batch.teacher.to(encodings.device))
            yield config.teacher_weight, "teacher_loss", loss


def random_chunking(share: float, stride: int, generator: torch.Generator) -> Chunking | None:
    """None, or with probability `share` blocks of 8 to 24 positions with 16 to 64 before them."""
    if float(torch.rand((), generator=generator)) >= share:
        return None
    size, context = (
        int(torch.randint(low, high, (), generator=generator)) for low, high in ((8, 25), (16, 65))
    )
    return Chunking(size * stride, context * stride)


@dataclass
class CtcTask:
    """What the loop trains."""

    model: CtcModel
    batches: SpeechBatches
    held_out: dict[str, list[SpeechBatch]]
    config: RunConfig
    sources: list[dict[str, Any]] = field(default_factory=list)

    def audio_seconds(self, batch: SpeechBatch) -> float:
        """Seconds of audio in a batch."""
        return float(batch.lengths.sum()) / self.batches.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The encoder apart, for a rate of its own."""
        decay = self.config.loop.weight_decay
        model = self.model
        encoder = training_loop.plain_groups(model.speech.encoder, decay)
        rest = nn.ModuleList([model.speech.adapter, model.speech.ctc, model.auxiliary, model.phones])
        rest.extend(head for head in (model.teacher, model.spoken_phones) if head is not None)
        return [{**g, "scale": self.config.encoder_rate} for g in encoder] + training_loop.plain_groups(
            rest, decay
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Figures of `held_out_figures` on the held-out caches."""
        trained = cast(CtcModel, model)
        phones = None
        if trained.dictionary is not None and trained.spoken_phones is not None:
            phones = PhoneFigures(trained.spoken_phones, trained.dictionary)
        return held_out_figures(trained.speech, self.model.targets, self.held_out, phones)

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """Encoder, adapter and CTC head; their record says what helped, and what came before."""
        aids = [f"states of Whisper {self.batches.teacher.name}"] if self.batches.teacher else []
        aids += ["phones by dictionary"] if self.config.dictionary else []
        method = f"CTC ({', '.join(aids)})" if aids else "CTC"
        record = {**training, "method": method, "sources": self.sources}
        start = self.config.init / "speech_adapter" if self.config.init else self.config.encoder
        if start:
            record["earlier"] = stages_of(start)
        save_speech_model(folder, cast(CtcModel, model).speech, record)


def build(config: RunConfig) -> CtcTask:
    """Model and data of one run."""
    cache = FeatureCache(config.caches)
    torch.manual_seed(config.loop.seed)
    tokenizer = Tokenizer.from_file(str(config.llama / "tokenizer.json"))
    token_ids, small_units = _targets(config, tokenizer, cache)
    targets = CtcTargets(tokenizer, token_ids)
    speech = _speech_model(config, targets, cache)
    weights = _item_weights(config, cache)
    share = training_loop.process_share()
    batches = SpeechBatches(cache, config.batch_frames, config.loop.seed, 30, weights, share)
    start = batches.state_dict()
    held_out = {path.name: _some(path, config) for path in config.held_out}
    teacher = TeacherStates(cache) if config.teacher_weight else None
    batches.teacher = teacher
    model = CtcModel(speech, targets, small_units, config, teacher.dimensions if teacher else 0)
    if config.init and model.teacher is not None and not (config.loop.run_dir / "checkpoint").exists():
        model.teacher.solve(_foreseen(speech.encoder, islice(batches, HEAD_BATCHES)))
        batches.load_state_dict(start)
    return CtcTask(model, batches, held_out, config, cache.sources())


@torch.no_grad()
def _foreseen(encoder: SpeechEncoder, batches: Iterable[SpeechBatch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Encodings of batches as they are, and the teacher's states."""
    for batch in batches:
        if batch.teacher is not None:
            yield encoder.encode(encoder.normalise(batch.features), batch.lengths)[0], batch.teacher


def _targets(config: RunConfig, tokenizer: Tokenizer, cache: FeatureCache) -> tuple[list[int], Tokenizer]:
    """The classes of this run, chosen by its first process and read by the others."""
    with first_process_first():
        return _chosen_targets(config, tokenizer, cache)


def _chosen_targets(
    config: RunConfig, tokenizer: Tokenizer, cache: FeatureCache
) -> tuple[list[int], Tokenizer]:
    """Those the run began with, those of `init`, or new ones."""
    path = config.loop.run_dir / "targets.json"
    if path.exists():
        return load_targets(path)
    texts = sorted({text for text in cache.texts if text})
    if config.pieces:
        token_ids = choose_pieces(tokenizer, texts, config.pieces, config.least_count)
    elif config.init:
        token_ids = load_speech_model(config.init, config.llama).ctc.token_ids.tolist()
    else:
        token_ids = choose_vocabulary(tokenizer, texts, config.vocabulary)
    small_units = train_small_units(texts, config.small_units)
    save_targets(path, token_ids, small_units)
    return token_ids, small_units


def _speech_model(config: RunConfig, targets: CtcTargets, cache: FeatureCache) -> SpeechModel:
    if config.init:
        model = load_speech_model(config.init, config.llama)
        return _with_classes(model, targets, cache, config) if config.pieces else model
    sizes = (
        load_config(config.encoder, EncoderConfig)
        if config.encoder
        else ENCODER_PRESETS[config.encoder_preset]
    )
    encoder = SpeechEncoder(sizes)
    if config.encoder:
        load_weights(config.encoder, encoder)
    else:
        encoder.feature_mean, encoder.feature_std = feature_statistics(cache)
    embeddings = read_token_embeddings(config.llama)
    adapter_sizes = replace(
        ADAPTER_PRESETS[config.adapter_preset],
        d_encoder=sizes.d_model,
        d_llama=embeddings.shape[1],
        ctc_vocabulary=len(targets.token_ids),
    )
    adapter, ctc = SpeechAdapter(adapter_sizes), CtcHead(len(targets.token_ids), embeddings.shape[1])
    adapter.match_scale(embeddings)
    _start_head(ctc, targets, cache, embeddings)
    return SpeechModel(encoder, adapter, ctc)


def _start_head(ctc: CtcHead, targets: CtcTargets, cache: FeatureCache, embeddings: Tensor) -> None:
    ctc.token_ids = torch.tensor(targets.token_ids)
    ctc.bind(embeddings)
    ctc.start(targets.count({text for text in cache.texts if text}))


def _with_classes(
    model: SpeechModel, targets: CtcTargets, cache: FeatureCache, config: RunConfig
) -> SpeechModel:
    """Encoder and adapter of a model with a new head, which keeps nothing but what it knew of silence."""
    embeddings = read_token_embeddings(config.llama)
    ctc = CtcHead(len(targets.token_ids), embeddings.shape[1])
    _start_head(ctc, targets, cache, embeddings)
    with torch.no_grad():
        ctc.blank.copy_(model.ctc.blank)
        ctc.scale.copy_(model.ctc.scale)
        ctc.bias[0] = model.ctc.bias[0]
    model.adapter.config = replace(model.adapter.config, ctc_vocabulary=len(targets.token_ids))
    return SpeechModel(model.encoder, model.adapter, ctc)


def _item_weights(config: RunConfig, cache: FeatureCache) -> NDArray[np.float64]:
    """Zero for items without text, with too much of it, or too long, else the weight of their cache."""
    labelled = np.array([text is not None for text in cache.texts]) & (
        cache.lengths <= config.max_item_frames
    )
    letters = np.array([len(text or "") for text in cache.texts])
    labelled &= letters <= config.most_letters_per_s * cache.lengths / cache.config.frame_rate_hz
    of_cache = np.asarray(config.weights or (1.0,) * len(config.caches), dtype=np.float64)
    weights = of_cache[cache.directory_numbers] * labelled
    return _limited(weights, cache, config.label_hours) if config.label_hours else weights


def _limited(weights: NDArray[np.float64], cache: FeatureCache, hours: float) -> NDArray[np.float64]:
    """Keep recordings, with all their views, until their first views make `hours`; the same for every run."""
    ids = np.array(cache.ids)
    order = np.random.default_rng(0).permutation(np.unique(ids[weights > 0]))
    first_frames = dict(zip(reversed(cache.ids), reversed(cache.lengths.tolist()), strict=True))
    cumulative = np.cumsum([first_frames[name] for name in order]) / cache.config.frame_rate_hz / 3600
    return weights * np.isin(ids, order[cumulative <= hours])


def _some(path: Path, config: RunConfig) -> list[SpeechBatch]:
    """The first items of a held-out cache that have text."""
    cache = FeatureCache([path])
    return SpeechBatches.fixed(cache, config.batch_frames, first_items(cache, config.held_out_items))


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
