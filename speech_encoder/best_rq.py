"""BEST-RQ: predict random-projection codes of the clean features at masked places.

Sources: arXiv 2407.21783, section 8.3 (span 32 frames, 2.5 %, 16 books of 8,192 codes of 16 dimensions,
cosine); Chiu et al., arXiv 2202.01855 (noise fill, frozen quantizer); Zhang et al., arXiv 2303.01037 (one
softmax per book). A start probability of 2.5 % per mel frame with overlaps is drawn as its equal per stack of
frames, on whole stacks, so that no target is half masked: 1 - 0.975**32 = 55.5 % of the frames either way.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.masks import length_mask
from speech_encoder.config import BestRqConfig, EncoderConfig
from speech_encoder.conformer import SpeechEncoder
from speech_encoder.subsampling import stack_frames


class BestRqOutput(NamedTuple):
    """loss: mean over masked encodings and books, in nats; the rest are figures to watch, without gradient.

    Figures of books that this step left out (`codebooks_per_step`) are NaN.
    """

    loss: Tensor
    accuracy: Tensor  # (books,) share of masked targets predicted
    codes_used: Tensor  # (books,) distinct codes among the targets
    code_entropy: Tensor  # (books,) entropy of the targets in nats
    masked_share: Tensor  # masked share of the valid encodings


def random_crop(
    features: Tensor, lengths: Tensor, crop_frames: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut items longer than `crop_frames` at a random place (section 8.3: 6,000 frames).

    features (batch, frames, mels) -> (batch, <= crop_frames, mels) and the new lengths.
    """
    if features.shape[1] <= crop_frames:
        return features, lengths
    room = (lengths - crop_frames).clamp(min=0)
    starts = (torch.rand(lengths.shape, generator=generator) * (room + 1).cpu()).long()
    rows = [item[start : start + crop_frames] for item, start in zip(features, starts.tolist(), strict=True)]
    return torch.stack(rows), lengths.clamp(max=crop_frames)


def sample_mask(
    lengths: Tensor, total: int, config: BestRqConfig, stack: int, generator: torch.Generator
) -> Tensor:
    """Masked encodings, drawn for each item over its own length: (batch, total), True = masked.

    A span is ceil(span_frames / stack) encodings; lengths are in encodings. An item without a span by chance
    gets one masked encoding, so that every item teaches something.
    """
    span = -(-config.span_frames // stack)
    start_probability = 1 - (1 - config.start_probability) ** (config.span_frames / span)
    starts = torch.rand(len(lengths), total + span - 1, generator=generator) < start_probability
    begun = starts.float().unfold(1, span, 1).amax(-1).bool()  # a start here, or up to span - 1 before
    masked = begun.to(lengths.device) & length_mask(lengths, total)
    lucky = (torch.rand(len(lengths), generator=generator).to(lengths.device) * lengths).long()
    first = torch.arange(total, device=lengths.device)[None, :] == lucky[:, None]
    return torch.where((masked.any(1) | (lengths == 0))[:, None], masked, first & length_mask(lengths, total))


class RandomProjectionQuantizer(nn.Module):
    """Frozen projections and codebooks, kept as buffers: never updated, saved with the checkpoint."""

    projections: Tensor
    codebooks: Tensor

    def __init__(self, d_input: int, config: BestRqConfig, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        bound = (6.0 / (d_input + config.d_code)) ** 0.5  # Xavier uniform
        shape = (config.num_codebooks, d_input, config.d_code)
        projections = (torch.rand(shape, generator=generator) * 2 - 1) * bound
        codes = torch.randn(config.num_codebooks, config.codebook_size, config.d_code, generator=generator)
        self.register_buffer("projections", projections)
        self.register_buffer("codebooks", functional.normalize(codes, dim=-1))

    @torch.no_grad()
    def forward(self, stacked: Tensor, book: int) -> Tensor:
        """Nearest code of one book by cosine: (items, mels * stack) normalised, clean -> (items,)."""
        with torch.autocast(stacked.device.type, enabled=False):
            codes = functional.normalize(stacked.float() @ self.projections[book], dim=-1)
            return (codes @ self.codebooks[book].T).argmax(-1)


class BestRq(nn.Module):
    """Encoder, quantizer and one softmax per codebook."""

    def __init__(self, encoder: SpeechEncoder, config: BestRqConfig, seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config
        sizes: EncoderConfig = encoder.config
        self.quantizer = RandomProjectionQuantizer(sizes.features.num_mels * sizes.stack, config, seed)
        self.heads = nn.ModuleList(
            nn.Linear(sizes.d_model, config.codebook_size) for _ in range(config.num_codebooks)
        )

    def forward(self, features: Tensor, lengths: Tensor, generator: torch.Generator) -> BestRqOutput:
        """Loss of one batch: features (batch, frames, mels) log-mel, lengths (batch,) in frames."""
        features, lengths = random_crop(features, lengths, self.config.crop_frames, generator)
        clean = self.encoder.normalise(features)
        stack = self.encoder.config.stack
        stacked, encoding_lengths = stack_frames(clean, lengths, stack)
        masked = sample_mask(encoding_lengths, stacked.shape[1], self.config, stack, generator)
        encodings, _ = self.encoder.encode(self._fill(clean, masked, generator), lengths)
        share = masked.sum() / encoding_lengths.sum().clamp(min=1)
        return self._score(encodings[masked], stacked[masked], share, generator)

    def _fill(self, clean: Tensor, masked: Tensor, generator: torch.Generator) -> Tensor:
        """Noise in place of the masked mel frames."""
        noise = torch.randn(clean.shape, generator=generator).to(clean) * self.config.noise_std
        frames = masked.repeat_interleave(self.encoder.config.stack, dim=1)[:, : clean.shape[1], None]
        return torch.where(frames, noise, clean)

    def _score(
        self, hidden: Tensor, stacked: Tensor, share: Tensor, generator: torch.Generator
    ) -> BestRqOutput:
        """hidden (masked, d_model), stacked (masked, mels * stack) clean."""
        books = self.config.num_codebooks
        per_step = self.config.codebooks_per_step or books
        chosen = torch.randperm(books, generator=generator)[:per_step].tolist()
        figures = torch.full((3, books), float("nan"))  # accuracy, codes used, entropy
        losses = []
        for book in chosen:
            targets = self.quantizer(stacked, book)
            logits = self.heads[book](hidden).float()
            losses.append(functional.cross_entropy(logits, targets))
            figures[0, book] = (logits.detach().argmax(-1) == targets).float().mean()
            figures[1:, book] = torch.stack(_usage(targets, self.config.codebook_size))
        accuracy, codes_used, code_entropy = figures
        return BestRqOutput(torch.stack(losses).mean(), accuracy, codes_used, code_entropy, share)


def _usage(targets: Tensor, codebook_size: int) -> tuple[Tensor, Tensor]:
    """Distinct codes among the targets, and their entropy in nats."""
    counts = torch.bincount(targets, minlength=codebook_size)
    frequency = counts / counts.sum().clamp(min=1)
    return (counts > 0).sum().float(), torch.special.entr(frequency).sum()
