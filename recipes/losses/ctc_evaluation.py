"""Figures of the CTC stage on held-out clips: word errors, loss, and phones where those are learned."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from llama_speech.evaluation.scores import Metric, count_edits, error_rate, prepare_texts
from recipes.batches.speech_batches import SpeechBatch
from recipes.data.features_cache import FeatureCache
from recipes.loop.metrics_log import mean_of_numbers
from recipes.losses.ctc_targets import CtcTargets
from recipes.losses.phone_ctc import PhoneFigures
from recipes.losses.speech_losses import ctc_loss
from recipes.training_loop import Metrics
from speech_adapter.model import SpeechModel

logger = logging.getLogger(__name__)


def first_items(cache: FeatureCache, count: int) -> NDArray[np.float64]:
    """Weights of the items of a cache: 1 for the first `count` that have text, 0 for the others."""
    chosen = np.zeros(len(cache))
    chosen[[number for number, text in enumerate(cache.texts) if text][:count]] = 1
    return chosen


@torch.no_grad()
def held_out_figures(
    speech: SpeechModel,
    targets: CtcTargets,
    held_out: Mapping[str, Sequence[SpeechBatch]],
    phones: PhoneFigures | None = None,
) -> Metrics:
    """Word error rate of the CTC head on each held-out cache, and of all together, in percent.

    With its loss per token over all of them, and what `phones` counts. Every batch is encoded once.
    """
    metrics: Metrics = {}
    everything = np.zeros((0, 4), dtype=np.int64)
    losses: list[float] = []
    for name, batches in held_out.items():
        wanted = [text or "" for batch in batches for text in batch.texts]
        got: list[str] = []
        for batch in batches:
            heard, loss = _hear(speech, targets, batch, phones)
            got += heard
            losses.append(loss)
        logger.info("heard %r for %r", got[-1], wanted[-1])
        counts = count_edits(prepare_texts(wanted, Metric()), prepare_texts(got, Metric()))
        metrics[f"wer_{name}"] = 100 * (error_rate(counts) or 0.0)
        everything = np.concatenate([everything, counts])
    if held_out:
        metrics["wer"] = 100 * (error_rate(everything) or 0.0)
        metrics["held_out_ctc_loss"] = mean_of_numbers(losses)
        metrics |= phones.figures() if phones else {}
    return metrics


def _hear(
    speech: SpeechModel, targets: CtcTargets, batch: SpeechBatch, phones: PhoneFigures | None
) -> tuple[list[str], float]:
    """Texts the CTC head hears in a batch, and its loss per token."""
    device = speech.encoder.feature_mean.device
    texts = [text or "" for text in batch.texts]
    encodings, encoding_lengths = speech.encoder(batch.features.to(device), batch.lengths.to(device))
    if phones:
        phones.add(encodings, encoding_lengths, texts)
    embeds, lengths = speech.adapter(encodings, encoding_lengths)
    log_probs = speech.ctc.log_probs(embeds)
    loss = float(ctc_loss(log_probs, lengths, [targets(text) for text in texts]))
    found = speech.ctc.greedy(log_probs, lengths)
    return [targets.tokenizer.decode(item.token_ids) for item in found], loss
