"""The model of this project as a system under test: the peers' interface, the call that users make."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from speech_core.errors import ConfigError

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama
    from llama_speech.batch_answers import Answerer

CODE_PACKAGES = ("speech_core", "speech_encoder", "speech_adapter", "llama_speech")
COMPONENTS = ("speech_encoder", "speech_adapter", "llama")  # of a bundle, that can change a transcript
MODES = ("llama", "ctc")
FILES_PER_PIECE = 4  # files handed over at once, per piece of a batch, so that like lengths can be batched


@dataclass(frozen=True)
class OurOptions:
    """How the model is loaded and asked; None and "auto" mean what they mean in `llama_speech.load`."""

    bundle: str | None = None
    llama: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    language: str = "en"
    batch_size: int = 8
    vad: bool = True


@cache
def code_digest() -> str:
    """Return a digest of the sources that can change a transcript: no text of other code is reused."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in CODE_PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if not {"evaluation", "cli", "service"} & set(path.relative_to(root).parts):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def folder_digest(folder: Path) -> str:
    """Return a digest of all files below a folder: names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


class SharedModel:
    """The loaded model, which several modes of it use."""

    def __init__(self, options: OurOptions, like: "SharedModel | None" = None) -> None:
        """Keep the options; nothing is loaded yet. like: another whose weights are used."""
        self.options, self._like = options, like

    @cached_property
    def model(self) -> "SpeechLlama":
        """The model, loaded at the first use."""
        from llama_speech.api import load

        if self._like is not None:
            return self._like.model
        chosen = self.options
        return load(chosen.bundle, chosen.llama, chosen.device, chosen.dtype, chosen.threads)

    def loaded(self) -> "Answerer":
        """Its Llama, to answer conversations with."""
        from llama_speech.batch_answers import Answerer

        loaded = self.model.parts.loaded
        if loaded is None:
            raise ConfigError("the model has no Llama")
        return Answerer(loaded.engine, loaded.tokenizer, loaded.recognizer.boundaries)

    @cached_property
    def signature(self) -> str:
        """Weights, Llama, code, versions and options."""
        from llama_speech.bundle import read_bundle

        chosen = self.options
        bundle = read_bundle(chosen.bundle)
        hearing = {name: entry for name, entry in bundle.files.items() if name.split("/")[0] in COMPONENTS}
        files = hashlib.sha256(json.dumps(hearing, sort_keys=True).encode()).hexdigest()[:12]
        llama = chosen.llama or os.environ.get("LLAMA_SPEECH_LLAMA")
        named = json.dumps(bundle.info.llama, sort_keys=True)
        known = folder_digest(Path(llama)) if llama and Path(llama).is_dir() else llama or named
        return (
            f"bundle:{bundle.info.name}-{bundle.info.version}-{files}|llama:{known}|lang:{chosen.language}"
            f"|vad:{'yes' if chosen.vad else 'no'}|batch:{chosen.batch_size}|device:{chosen.device}"
            f"|dtype:{chosen.dtype}|threads:{chosen.threads or 'all'}|code:{code_digest()}"
            f"|torch:{version('torch')}"
        )


class OurModel:
    """One mode of the model: llama, what the Llama writes, or ctc, the draft it is given."""

    def __init__(self, shared: SharedModel, mode: str) -> None:
        """Raise ConfigError when there is no such mode."""
        if mode not in MODES:
            raise ConfigError(f"mode is {mode}: use {' or '.join(MODES)}")
        self.shared, self.mode = shared, mode
        self.name = "llama-speech" if mode == "llama" else f"llama-speech:{mode}"
        self.batch_size = FILES_PER_PIECE * shared.options.batch_size

    def signature(self) -> str:
        """Return everything that can change the text or the time it takes."""
        return f"{self.name}|{self.shared.signature}"

    def prepare(self) -> None:
        """Load the model."""
        _ = self.shared.model

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the text of each file, in batches."""
        chosen = self.shared.options
        results = self.shared.model.transcribe(
            list(paths), chosen.language, mode=self.mode, vad=chosen.vad, batch_size=chosen.batch_size
        )
        return [result.text for result in results]


def load_modes(
    options: OurOptions, modes: Sequence[str], loaded: "dict[str, SharedModel] | None" = None
) -> list[OurModel]:
    """Return one system for each mode, with one model between them and all calls that share `loaded`."""
    known = loaded if loaded is not None else {}
    like = next(iter(known.values()), None)
    shared = known.setdefault(options.language, SharedModel(options, like))
    return [OurModel(shared, mode) for mode in modes]
