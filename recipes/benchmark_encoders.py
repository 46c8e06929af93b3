"""Encoders of equal size for the training benchmark: ours, and Conformers of other libraries behind the same
inputs.

Every encoder gets the same stacked frames through the same projection, so only the Conformer layers differ:
width, number of layers, heads, feed-forward and convolution kernel are the same.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.errors import ConfigError
from speech_core.masks import length_mask
from speech_encoder.best_rq import BestRq
from speech_encoder.config import BestRqConfig, EncoderConfig
from speech_encoder.conformer import SpeechEncoder
from speech_encoder.subsampling import FrameStacking

OURS = "llama-speech"
LUCIDRAINS = "conformer"  # the package of that name, by lucidrains
TRANSFORMERS = "transformers"  # Wav2Vec2Conformer with rotary positions
ENCODERS = (OURS, LUCIDRAINS, TRANSFORMERS)
TASKS = ("ctc", "best-rq")

CTC_CLASSES = 513  # blank and 512 units: a usual size for word pieces
FRAMES_PER_LABEL = 40  # 400 ms of audio a unit, about the rate of word pieces in speech


class LucidrainsLayers(nn.Module):
    """Conformer layers of the package `conformer` (relative positions, BatchNorm, no mask by its own
    forward).
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        from conformer import Conformer

        self.layers = Conformer(
            dim=config.d_model,
            depth=config.num_layers,
            dim_head=config.d_model // config.num_heads,
            heads=config.num_heads,
            ff_mult=config.d_feedforward // config.d_model,
            conv_expansion_factor=1,
            conv_kernel_size=config.kernel,
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(batch, encodings, d_model) -> same; `valid` is not looked at, as in that library."""
        out: Tensor = self.layers(x)
        return out


class TransformersLayers(nn.Module):
    """Conformer layers of transformers' Wav2Vec2Conformer with rotary positions and its fastest attention."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        from transformers import Wav2Vec2ConformerConfig
        from transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer import (
            Wav2Vec2ConformerEncoder,
        )

        sizes = Wav2Vec2ConformerConfig(
            hidden_size=config.d_model,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.d_feedforward,
            conv_depthwise_kernel_size=config.kernel,
            position_embeddings_type="rotary",
            hidden_act="swish",
            hidden_dropout=config.dropout,
            attention_dropout=config.dropout,
            activation_dropout=config.dropout,
            conformer_conv_dropout=config.dropout,
            layerdrop=0.0,
        )
        self.layers = Wav2Vec2ConformerEncoder(sizes)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(batch, encodings, d_model), valid (batch, encodings) -> (batch, encodings, d_model)."""
        out: Tensor = self.layers(
            x.clone(), attention_mask=valid
        ).last_hidden_state  # it writes into its input
        return out


class PeerEncoder(nn.Module):
    """A peer's Conformer layers with the interface of `SpeechEncoder` that training needs."""

    def __init__(self, config: EncoderConfig, layers: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.stacking = FrameStacking(config.features.num_mels, config.stack, config.d_model)
        self.layers = layers

    def normalise(self, features: Tensor) -> Tensor:
        """Leave features as they are: the benchmark's are standard normal."""
        return features

    def encode(self, normalised: Tensor, lengths: Tensor, chunking: None = None) -> tuple[Tensor, Tensor]:
        """(batch, frames, mels), lengths (batch,) -> (batch, encodings, d_model), ceil(lengths / stack)."""
        x, lengths = self.stacking(normalised, lengths)
        return self.layers(x, length_mask(lengths, x.shape[1])), lengths


def library_version(name: str) -> str:
    """Return the version of the library an encoder comes from. Raises ConfigError when it is absent."""
    if name == OURS:
        return "this checkout"
    try:
        return version(name)
    except PackageNotFoundError:
        raise ConfigError(
            f"{name} is not installed: pip install {name}, or leave it out of --encoders"
        ) from None


def build_encoder(name: str, config: EncoderConfig) -> SpeechEncoder:
    """Return the encoder called `name`, a key of ENCODERS, at the sizes of `config`."""
    if name not in ENCODERS:
        raise ConfigError(f"no encoder is called {name}: use {', '.join(ENCODERS)}")
    library_version(name)
    if name == OURS:
        return SpeechEncoder(config)
    if name == LUCIDRAINS:
        return cast("SpeechEncoder", PeerEncoder(config, LucidrainsLayers(config)))
    return cast("SpeechEncoder", PeerEncoder(config, TransformersLayers(config)))


class CtcModel(nn.Module):
    """An encoder with a linear CTC head: the supervised step of the benchmark."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.d_model, CTC_CLASSES)

    def forward(self, features: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """CTC loss of random labels, one for every FRAMES_PER_LABEL frames."""
        encodings, encoding_lengths = self.encoder.encode(self.encoder.normalise(features), lengths)
        log_probs = (
            self.head(encodings).float().log_softmax(-1).transpose(0, 1)
        )  # (encodings, batch, classes)
        label_lengths = (lengths // FRAMES_PER_LABEL).clamp(min=1)
        shape = (len(lengths), int(label_lengths.max()))
        labels = torch.randint(1, CTC_CLASSES, shape, generator=generator)
        return functional.ctc_loss(log_probs, labels, encoding_lengths, label_lengths, zero_infinity=True)


class BestRqModel(nn.Module):
    """BEST-RQ over any of the encoders."""

    def __init__(self, encoder: SpeechEncoder, config: BestRqConfig) -> None:
        super().__init__()
        self.best_rq = BestRq(encoder, config)

    def forward(self, features: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """BEST-RQ loss of one batch."""
        output: Tensor = self.best_rq(features, lengths, generator).loss
        return output


def build_model(task: str, name: str, encoder: EncoderConfig, best_rq: BestRqConfig) -> nn.Module:
    """Return what one training step of `task` (ctc or best-rq) runs, with the encoder called `name`."""
    if task == "ctc":
        return CtcModel(build_encoder(name, encoder))
    if task == "best-rq":
        return BestRqModel(build_encoder(name, encoder), best_rq)
    raise ConfigError(f"no training task is called {task}: use {', '.join(TASKS)}")


def count_parameters(module: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
