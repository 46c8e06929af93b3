"""From a bundle and a Llama to a recognizer on a device."""

import logging
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from llama_speech.bundle import Bundle
from llama_speech.default_llama import PACKAGE, cache_dir, find_or_make_default_llama
from speech_adapter.engine import LlamaEngine, TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.language_model import LanguageModel
from speech_adapter.llama import LlamaOptions, convert_gguf, load_llama
from speech_adapter.model import SpeechModel, load_speech_model, read_token_embeddings
from speech_adapter.recognizer import RecognizerOptions, SpeechRecognizer
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.checkpoint import read_json
from speech_core.checksums import sha256_of
from speech_core.errors import BundleError, CheckpointError, ConfigError
from speech_core.packed_linear import pack_linears
from speech_encoder.config import FeatureConfig

_log = logging.getLogger(__name__)

# A safety rail for small Llamas: an answer with fewer words of the CTC draft in common is no transcript but a
# reply, a loop or a refusal, and the draft is given instead (chosen on dev data, RESULTS.md).
AGREEMENT = 0.95
ALL_DEVICES = "all"
HUB_MODEL_TYPE = "llama_speech"
LANGUAGE_MODEL = "language_model"  # the component


@dataclass(frozen=True)
class Placement:
    """Where the model runs: device auto, cpu, cuda, cuda:1, mps, all; dtype auto, float32, bfloat16, float16.

    all: the Llama spread over all GPUs (and the CPU's memory), for those that fit in none.
    """

    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"dtype is {self.dtype!r}: use auto, float32, bfloat16 or float16")

    def resolved(self) -> torch.device:
        """The device itself. Raises ConfigError if this machine has no such device."""
        if self.device in ("auto", ALL_DEVICES):
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

    @property
    def engine(self) -> LlamaEngine:
        """The Llama."""
        return self.recognizer.engine


def load_model(bundle: Bundle, llama: str | os.PathLike[str] | None, placement: Placement) -> LoadedModel:
    """The model of a bundle on its device.

    llama: a folder, a GGUF file or a hub id instead of the Llama the bundle names. Raises BundleError,
    CheckpointError or ConfigError.
    """
    for component in ("speech_encoder", "speech_adapter"):
        bundle.component(component)
    device = placement.resolved()
    source = llama_source(bundle, llama)
    if isinstance(source, Path):  # what does not fit shows before the Llama is read
        model = load_speech_model(bundle.folder, source)
        engine, tokenizer, _ = load_llama_parts(source, placement)
    else:
        engine, tokenizer, embeddings = load_llama_parts(source, placement)
        model = load_speech_model(bundle.folder, embeddings())
    if isinstance(engine, FastEngine):  # on a CPU: in the precision the engine took
        pack_linears(model, engine.dtype)
    return joined(model.to(device), engine, tokenizer, language_model(bundle))


def language_model(bundle: Bundle) -> LanguageModel | None:
    """That of a bundle, if it has one."""
    if LANGUAGE_MODEL not in bundle.components:
        return None
    return LanguageModel.load(bundle.component(LANGUAGE_MODEL))


def joined(
    model: SpeechModel,
    engine: LlamaEngine,
    tokenizer: ChatTokenizer,
    language: LanguageModel | None = None,
) -> LoadedModel:
    """Trained parts and a Llama as a model that is used; language: for the search of drafts."""
    model = model.eval().requires_grad_(False)
    options = RecognizerOptions(agreement=AGREEMENT, language_model=language)
    recognizer = SpeechRecognizer(model.encoder, model.adapter, model.ctc, engine, tokenizer, options)
    return LoadedModel(recognizer, tokenizer, model.encoder.config.features)


def load_llama_parts(
    source: Path | str, placement: Placement
) -> tuple[LlamaEngine, ChatTokenizer, Callable[[], Tensor]]:
    """Engine and tokenizer of a folder or a hub id, and how to get its embeddings (vocabulary, d_llama)."""
    device = placement.resolved()
    spread = "auto" if placement.device == ALL_DEVICES else None  # accelerate's own choice
    if isinstance(source, Path) and spread is None:
        engine = load_engine(source, device, placement.dtype)
        return engine, ChatTokenizer.from_folder(source), lambda: read_token_embeddings(source)
    frozen = load_llama(source, LlamaOptions(dtype=placement.dtype, device=str(device), device_map=spread))
    return TransformersEngine(frozen), frozen.tokenizer, lambda: frozen.embedding_table.detach().float()


def llama_source(bundle: Bundle, llama: str | os.PathLike[str] | None) -> Path | str:
    """Folder or hub id of the Llama: the one named, the bundle's own, or the default one."""
    if llama is not None:
        return named_llama(llama)
    if "llama" in bundle.components:
        return bundle.component("llama")
    package = bundle.info.llama.get("package")
    if package != PACKAGE and not os.environ.get("LLAMA_SPEECH_LLAMA"):
        raise BundleError(
            f"bundle {bundle.folder} is for the Llama {package!r}: give its folder with --llama"
        )
    return find_or_make_default_llama()


def named_llama(llama: str | os.PathLike[str]) -> Path | str:
    """A folder as it is, a GGUF file converted, anything like `owner/name` as a hub id."""
    path = Path(llama).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        return _converted(path)
    if (path / "config.json").is_file():
        return path
    if isinstance(llama, str) and not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", llama):
        return llama
    raise CheckpointError(f"{path} is not the folder of a Llama: it has no config.json")


def _converted(gguf_file: Path) -> Path:
    """Folder with the Llama of a GGUF file, converted once and kept in the cache."""
    folder = cache_dir() / "converted" / sha256_of(gguf_file)[:16]
    if not (folder / "config.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _log.info("converting %s (once)", gguf_file)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as work:
            convert_gguf(gguf_file, Path(work) / "llama")
            (Path(work) / "llama").replace(folder)
    return folder


def load_engine(folder: Path, device: torch.device, dtype: str) -> LlamaEngine:
    """The fastest engine for a device: the lean one on a CPU where it knows the Llama, else transformers."""
    if device.type == "cpu" and dtype != "float16":
        try:
            return FastEngine.from_folder(folder, dtype)
        except ConfigError as error:
            _log.info("the lean engine does not know this Llama (%s): using transformers", error)
    return TransformersEngine(load_llama(folder, LlamaOptions(dtype=dtype, device=str(device))))


def in_hub_form(source: str | os.PathLike[str] | None) -> bool:
    """Whether a folder holds a model as llama_speech.hub writes it."""
    config = Path(source or "") / "config.json"
    return source is not None and config.is_file() and read_json(config).get("model_type") == HUB_MODEL_TYPE
