"""Encoder, adapter and CTC head together, and how they lie on disk beside a Llama."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import AdapterConfig
from speech_adapter.ctc import CtcHead
from speech_core.checkpoint import load_config, load_weights, read_json, save_component
from speech_core.errors import CheckpointError
from speech_core.masks import Chunking
from speech_encoder.config import EncoderConfig
from speech_encoder.conformer import SpeechEncoder

EMBEDDINGS = "model.embed_tokens.weight"


class SpeechModel(nn.Module):
    """Everything that is trained: speech to what the frozen Llama reads."""

    def __init__(self, encoder: SpeechEncoder, adapter: SpeechAdapter, ctc: CtcHead) -> None:
        super().__init__()
        self.encoder, self.adapter, self.ctc = encoder, adapter, ctc

    def forward(
        self, features: Tensor, lengths: Tensor, chunking: Chunking | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-mel frames to embeddings for the Llama.

        features (batch, frames, mels), lengths (batch,) -> (batch, positions, d_llama), positions (batch,)
        """
        encodings, encoding_lengths = self.encoder(features, lengths, chunking)
        embeds: tuple[Tensor, Tensor] = self.adapter(encodings, encoding_lengths, chunking)
        return embeds


class AdapterComponent(nn.Module):
    """Adapter and CTC head as one component on disk."""

    def __init__(self, adapter: SpeechAdapter, ctc: CtcHead) -> None:
        super().__init__()
        self.adapter, self.ctc = adapter, ctc


def read_token_embeddings(llama: Path) -> Tensor:
    """The embedding matrix of a Llama folder, (vocabulary, d_llama) float32, without loading the rest.

    Raises CheckpointError when the folder has no safetensors with it, or damaged ones.
    """
    from safetensors import SafetensorError, safe_open

    index = llama / "model.safetensors.index.json"
    shards = read_json(index).get("weight_map", {}) if index.is_file() else {EMBEDDINGS: "model.safetensors"}
    if EMBEDDINGS not in shards:
        raise CheckpointError(f"{index} has no {EMBEDDINGS}: is it a Llama?")
    path = llama / shards[EMBEDDINGS]
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: give the folder of a Llama in safetensors form")
    try:
        with safe_open(path, framework="pt") as tensors:
            if EMBEDDINGS not in tensors.keys():  # noqa: SIM118 (not a dictionary)
                raise CheckpointError(f"{path} has no {EMBEDDINGS}: is it a Llama?")
            matrix: Tensor = tensors.get_tensor(EMBEDDINGS)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy it again") from None
    return matrix.float()


def save_speech_model(
    folder: Path, model: SpeechModel, training: dict[str, Any], storage: str = "float32"
) -> None:
    """Write `speech_encoder/` and `speech_adapter/`."""
    save_component(folder / "speech_encoder", model.encoder, model.encoder.config, training, storage)
    component = AdapterComponent(model.adapter, model.ctc)
    save_component(folder / "speech_adapter", component, model.adapter.config, training, storage)


def load_speech_model(folder: Path, llama: Path | Tensor) -> SpeechModel:
    """Read both components and bind the CTC head to a Llama: its folder, or its embedding matrix.

    Raises CheckpointError when files are missing or damaged, or when the Llama has other sizes.
    """
    encoder = SpeechEncoder(load_config(folder / "speech_encoder", EncoderConfig))
    load_weights(folder / "speech_encoder", encoder)
    sizes = load_config(folder / "speech_adapter", AdapterConfig)
    component = AdapterComponent(SpeechAdapter(sizes), CtcHead(sizes.ctc_vocabulary, sizes.d_llama))
    load_weights(folder / "speech_adapter", component)
    embeddings = llama if isinstance(llama, Tensor) else read_token_embeddings(llama)
    name = "the Llama given" if isinstance(llama, Tensor) else llama
    if embeddings.shape[1] != sizes.d_llama:
        raise CheckpointError(
            f"{folder} is for a Llama of width {sizes.d_llama}, {name} has {embeddings.shape[1]}: "
            "use the one it was trained for"
        )
    if component.ctc.token_ids.numel() and int(component.ctc.token_ids.max()) >= len(embeddings):
        raise CheckpointError(
            f"{name} has {len(embeddings)} tokens, {folder} uses others: take its own Llama"
        )
    component.ctc.bind(embeddings)
    return SpeechModel(encoder, component.adapter, component.ctc)
