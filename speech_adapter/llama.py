"""A frozen LlamaForCausalLM from a folder, a hub id or a GGUF file. The only file that imports transformers.

The Llama is never changed: nothing is added to its vocabulary or embedding table, no gradient is kept for its
weights, and its text output stays bit-identical. Speech enters as `inputs_embeds`.
"""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.tokenizer import CHATML_TEMPLATE, ChatTokenizer, SpecialTokens
from speech_core.errors import CheckpointError, ConfigError

_log = logging.getLogger(__name__)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LlamaOptions:
    """How to load a Llama."""

    dtype: str = "auto"  # float32, bfloat16, float16; auto: float32 on the CPU, as stored elsewhere
    device: str = "cpu"  # cpu, cuda, cuda:1, mps, ...
    device_map: str | None = None  # accelerate's placement over several devices: "auto", "balanced", ...
    load_in_bits: int | None = None  # 8 or 4: bitsandbytes quantization while loading

    def __post_init__(self) -> None:
        if self.dtype != "auto" and self.dtype not in _DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}: choose auto or one of {', '.join(_DTYPES)}")
        if self.load_in_bits not in (None, 4, 8):
            raise ConfigError(f"load_in_bits is {self.load_in_bits}: choose 8, 4, or nothing")

    @property
    def torch_dtype(self) -> torch.dtype | str:
        """The dtype as transformers wants it."""
        if self.dtype != "auto":
            return _DTYPES[self.dtype]
        return torch.float32 if self.device == "cpu" and self.device_map is None else "auto"


class FrozenLlama:
    """A Llama in evaluation mode without gradients for its weights, and its tokenizer.

    Not an `nn.Module`, so that a trained module can hold one without saving or training it.
    """

    def __init__(self, model: Any, tokenizer: ChatTokenizer) -> None:
        """model: a transformers LlamaForCausalLM."""
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @property
    def d_model(self) -> int:
        """Width of embeddings and hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def num_layers(self) -> int:
        """Number of decoder layers."""
        return int(self.model.config.num_hidden_layers)

    @property
    def device(self) -> torch.device:
        """Where embeddings are looked up, that is, where inputs belong."""
        return torch.device(self.embedding_table.device)

    @property
    def embedding_table(self) -> Tensor:
        """The frozen token embeddings, (vocab, d_model)."""
        table: Tensor = self.model.get_input_embeddings().weight
        return table

    def embed(self, token_ids: Tensor) -> Tensor:
        """Embeddings of token ids: (...) int64 -> (..., d_model)."""
        return torch.nn.functional.embedding(token_ids.to(self.device), self.embedding_table)

    def hidden_states(
        self, embeds: Tensor, mask: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """Last hidden states after the final norm; gradients flow to `embeds`, none to the weights.

        embeds (batch, positions, d_model); mask (batch, positions) bool, True = valid; positions
        (batch, positions) int64, counted over the mask if absent -> (batch, positions, d_model)
        """
        if positions is None and mask is not None:
            positions = (mask.long().cumsum(1) - 1).clamp(min=0)
        attention = None if mask is None else mask.long()
        output = self.model.model(
            inputs_embeds=embeds.to(self.embedding_table.dtype),
            attention_mask=attention,
            position_ids=positions,
            use_cache=False,
        )
        states: Tensor = output.last_hidden_state
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits of hidden states: (..., d_model) -> (..., vocab)."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores


def load_llama(source: str | Path, options: LlamaOptions | None = None) -> FrozenLlama:
    """Load a frozen Llama and its tokenizer from a folder, a GGUF file, or a hub id.

    Raises CheckpointError if there is no Llama at `source`, ConfigError if the installation cannot load it.
    """
    options = options or LlamaOptions()
    transformers = import_transformers()
    where = _locate(source)
    arguments = _model_arguments(transformers, where, options)
    _log.info("loading Llama from %s", source)
    with _quiet(transformers, where):
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                where.name_or_folder, **where.gguf, **arguments
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{source} cannot be loaded as a Llama: {_first_line(error)}") from error
        if not isinstance(model, transformers.LlamaForCausalLM):
            raise CheckpointError(f"{source} is {type(model).__name__}, not LlamaForCausalLM: choose a Llama")
        tokenizer = _load_tokenizer(transformers, where, model)
    if options.load_in_bits is None and options.device_map is None:
        model = model.to(options.device)
    return FrozenLlama(model, tokenizer)


def convert_gguf(gguf_file: Path, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the Llama of a GGUF file as a folder: config, tokenizer, chat template, weights in `dtype`.

    Raises CheckpointError if the file is not a readable GGUF Llama.
    """
    from safetensors.torch import save_file

    llama = load_llama(gguf_file, LlamaOptions(dtype="float32"))
    config = llama.model.config
    state = {name: tensor.to(dtype).contiguous() for name, tensor in llama.model.state_dict().items()}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # like its neighbours; the library makes it private
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights saved are plain tensors
    config.dtype = dtype
    config.save_pretrained(folder)
    llama.model.generation_config.save_pretrained(folder)
    transformers = import_transformers()
    where = _locate(gguf_file)
    with _quiet(transformers, where):
        transformers.AutoTokenizer.from_pretrained(where.name_or_folder, **where.gguf).save_pretrained(folder)


def import_transformers() -> ModuleType:
    """The transformers library; raises ConfigError with the remedy if torchaudio keeps it from loading."""
    try:
        import transformers
        from transformers import LlamaForCausalLM  # noqa: F401  the lazy import that meets torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        if importlib.util.find_spec("torchaudio") is not None:
            raise ConfigError(
                "transformers cannot be imported because torchaudio is installed and does not match this "
                f"torch ({_first_line(error)}): run pip uninstall torchaudio"
            ) from error
        raise
    module: ModuleType = transformers
    return module


@dataclass(frozen=True)
class _Location:
    """A source as transformers wants it: hub id or folder, and the GGUF file inside, if any."""

    name_or_folder: str
    gguf: dict[str, str]
    offline: bool


def _locate(source: str | Path) -> _Location:
    path = Path(source).expanduser()
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise CheckpointError(f"{path} does not exist: give the path of a GGUF file")
        return _Location(str(path.parent), {"gguf_file": path.name}, offline=True)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise CheckpointError(f"{path} has no config.json: give a folder of a Llama")
        return _Location(str(path), {}, offline=True)
    if isinstance(source, Path) or source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise CheckpointError(f"{source} does not exist: give a folder, a GGUF file or a hub id (owner/name)")
    return _Location(source, {}, offline=False)


def _model_arguments(transformers: ModuleType, where: _Location, options: LlamaOptions) -> dict[str, Any]:
    arguments: dict[str, Any] = {"dtype": options.torch_dtype, "local_files_only": where.offline}
    if options.device_map is not None:
        arguments["device_map"] = options.device_map
    if where.gguf and hasattr(transformers, "GgufConfig"):
        arguments["quantization_config"] = transformers.GgufConfig(dequantize=True)
    if options.load_in_bits is not None:
        arguments["quantization_config"] = _bits_config(transformers, where, options)
        arguments.setdefault("device_map", options.device)
    return arguments


def _bits_config(transformers: ModuleType, where: _Location, options: LlamaOptions) -> Any:
    if where.gguf:
        raise ConfigError("a GGUF file is quantized already: leave load_in_bits out")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"{options.load_in_bits} bit loading needs bitsandbytes: pip install 'llama-speech[quantized]'"
        )
    if options.load_in_bits == 8:
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    compute = options.torch_dtype if isinstance(options.torch_dtype, torch.dtype) else torch.bfloat16
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute
    )


def _load_tokenizer(transformers: ModuleType, where: _Location, model: Any) -> ChatTokenizer:
    """The tokenizer of a folder read directly; that of a GGUF file or hub id by way of transformers."""
    if where.offline and not where.gguf and (Path(where.name_or_folder) / "tokenizer.json").is_file():
        return ChatTokenizer.from_folder(Path(where.name_or_folder))
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        where.name_or_folder, **where.gguf, local_files_only=where.offline
    )
    listed = model.generation_config.eos_token_id
    end_ids = {tokenizer.eos_token_id, *(listed if isinstance(listed, list) else [listed])} - {None}
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(end_ids)
    names = {key: str(value) for key, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    special = SpecialTokens(frozenset(int(end) for end in end_ids), int(pad_id), names)
    return ChatTokenizer(tokenizer.backend_tokenizer, tokenizer.chat_template or CHATML_TEMPLATE, special)


@contextmanager
def _quiet(transformers: ModuleType, where: _Location) -> Iterator[None]:
    """No progress bars of transformers meanwhile: standard error belongs to the caller.

    The GGUF reader draws its own, which no setting turns off.
    """
    settings = transformers.utils.logging
    was_on = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        with redirect_stderr(io.StringIO()) if where.gguf else nullcontext():
            yield
    finally:
        if was_on:
            settings.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@dataclass(frozen=True)
class NewPositions:
    """Where embeddings stand: mask (batch, new) bool, and their places in their sessions (batch, new).

    seen (batch, new, new) bool: which of each other they see; None = those before them.
    """

    mask: Tensor
    places: Tensor
    seen: Tensor | None = None


def run_with_cache(
    model: Any,
    embeds: Tensor,
    new: NewPositions,
    cache: KeyValueCache | None,
    hidden_layer: int | None,
) -> tuple[Tensor, Tensor | None, KeyValueCache]:
    """Run embeddings behind a cache: last hidden states, output of layer `hidden_layer`, new cache.

    hidden_layer counts from 1. embeds (batch, new, d_model). The cache given is not changed.
    """
    transformers = import_transformers()
    past = transformers.DynamicCache()
    visible = new.mask
    if cache is not None:
        for layer, (keys, values) in enumerate(zip(cache.keys, cache.values, strict=True)):
            past.update(keys[:, :, : cache.slots], values[:, :, : cache.slots], layer)
        visible = torch.cat([cache.mask, new.mask], dim=1)
    dtype = model.get_input_embeddings().weight.dtype
    output = model.model(
        inputs_embeds=embeds.to(dtype),
        attention_mask=visible.long() if new.seen is None else _added_mask(visible, new.seen, dtype),
        position_ids=new.places,
        past_key_values=past,
        use_cache=True,
        output_hidden_states=hidden_layer is not None,
    )
    layers = output.past_key_values.layers
    all_keys, all_values = tuple(layer.keys for layer in layers), tuple(layer.values for layer in layers)
    new_cache = KeyValueCache(all_keys, all_values, visible, [visible.shape[1]])
    hidden = output.hidden_states[hidden_layer] if hidden_layer is not None else None
    return output.last_hidden_state, hidden, new_cache


def _added_mask(visible: Tensor, seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the attention scores, (batch, 1, positions, slots): 0, or the least of the type."""
    new, slots = seen.shape[1], visible.shape[1]
    allowed = torch.cat([visible[:, None, : slots - new].expand(-1, new, -1), seen], dim=2)
    return torch.zeros(allowed.shape, dtype=dtype, device=seen.device).masked_fill(
        ~allowed, torch.finfo(dtype).min
    )[:, None]
