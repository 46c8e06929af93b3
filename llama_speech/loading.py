"""From a bundle and a Llama to a recognizer on a device."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from llama_speech.bundle import Bundle
from llama_speech.default_llama import PACKAGE, find_or_make_default_llama
from speech_adapter.engine import LlamaEngine
from speech_adapter.model import load_speech_model
from speech_adapter.recognizer import SpeechRecognizer
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import BundleError, CheckpointError, ConfigError
from speech_encoder.config import FeatureConfig

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """Where the model runs: device auto, cpu, cuda, cuda:1, mps; dtype auto, float32, bfloat16, float16."""

    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"dtype is {self.dtype!r}: use auto, float32, bfloat16 or float16")

    def resolved(self) -> torch.device:
        """The device itself. Raises ConfigError if this machine has no such device."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(f"device {self.device!r} cannot be used ({reason}): try cpu") from None
        return device


@dataclass(frozen=True)
class LoadedModel:
    """A recognizer, the tokenizer of its Llama, and the features it hears."""

    recognizer: SpeechRecognizer
    tokenizer: ChatTokenizer
    features: FeatureConfig


def load_model(bundle: Bundle, llama: str | os.PathLike[str] | None, placement: Placement) -> LoadedModel:
    """The model of a bundle on its device.

    llama: a folder instead of the Llama the bundle names. Raises BundleError, CheckpointError or ConfigError.
    """
    for component in ("speech_encoder", "speech_adapter"):
        bundle.component(component)
    device = placement.resolved()
    folder = llama_folder(bundle, llama)
    model = load_speech_model(bundle.folder, folder).eval().requires_grad_(False).to(device)
    engine = load_engine(folder, device, placement.dtype)
    tokenizer = ChatTokenizer.from_folder(folder)
    recognizer = SpeechRecognizer(model.encoder, model.adapter, model.ctc, engine, tokenizer)
    return LoadedModel(recognizer, tokenizer, model.encoder.config.features)


def llama_folder(bundle: Bundle, llama: str | os.PathLike[str] | None) -> Path:
    """Folder of the Llama: the one named, the bundle's own, or the default one (downloaded if need be)."""
    if llama is not None:
        folder = Path(llama).expanduser()
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder} is not the folder of a Llama: it has no config.json")
        return folder
    if "llama" in bundle.components:
        return bundle.component("llama")
    package = bundle.info.llama.get("package")
    if package != PACKAGE and not os.environ.get("LLAMA_SPEECH_LLAMA"):
        raise BundleError(
            f"bundle {bundle.folder} is for the Llama {package!r}: give its folder with --llama"
        )
    return find_or_make_default_llama()


def load_engine(folder: Path, device: torch.device, dtype: str) -> LlamaEngine:
    """The fastest engine for a device: the lean one on a CPU where it knows the Llama, else transformers."""
    if device.type == "cpu" and dtype != "float16":
        from speech_adapter.engine_fast import FastEngine

        try:
            return FastEngine.from_folder(folder, dtype)
        except ConfigError as error:
            _log.info("the lean engine does not know this Llama (%s): using transformers", error)
    from speech_adapter.engine import TransformersEngine
    from speech_adapter.llama import LlamaOptions, load_llama

    return TransformersEngine(load_llama(folder, LlamaOptions(dtype=dtype, device=str(device))))
