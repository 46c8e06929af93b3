"""One tiny stack for all tests of this folder."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import llama_speech
from tests.llama_speech.tiny_stack import write_bundle, write_llama


@dataclass(frozen=True)
class TinyStack:
    """Folders of a tiny Llama and of a bundle for it."""

    llama: Path
    bundle: Path

    @property
    def options(self) -> list[str]:
        """The options that name them on the command line."""
        return ["--model", str(self.bundle), "--llama", str(self.llama), "--dtype", "float32"]


@pytest.fixture(scope="session")
def tiny_stack(tmp_path_factory: pytest.TempPathFactory) -> TinyStack:
    root = tmp_path_factory.mktemp("tiny")
    llama = write_llama(root / "llama")
    return TinyStack(llama, write_bundle(root / "bundle", llama))


@pytest.fixture(scope="session")
def tiny_model(tiny_stack: TinyStack) -> llama_speech.SpeechLlama:
    return llama_speech.load(tiny_stack.bundle, tiny_stack.llama, device="cpu", dtype="float32")
