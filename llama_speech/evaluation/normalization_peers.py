"""Text normalizers of other projects behind one small interface, read and timed in the same run as ours.

A peer is named by a short text: `nemo` (nemo_text_processing), `wetext` (WeTextProcessing). Both are grammars
for pynini and see the whole sentence; both come with `pip install 'llama-speech[grammars]'` where pynini has
a wheel. nemo_text_processing asks for one release of pynini; it also works with newer ones, installed with
`--no-deps`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from llama_speech.evaluation.normalization_scores import Pair
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)


class PeerNormalizer(Protocol):
    """Anything that reads a written sentence and can say exactly what it is."""

    name: str

    def signature(self) -> str:
        """Return every option and version that can change the reading."""
        ...

    def read(self, text: str) -> str:
        """Return the spoken form of one sentence."""
        ...


def _versions(*packages: str) -> str:
    """Names and versions of installed packages. Raises ConfigError, with what to install, when one is
    absent.
    """
    found = []
    for package in packages:
        try:
            found.append(f"{package}:{version(package)}")
        except PackageNotFoundError:
            raise ConfigError(
                f"{package} is not installed: pip install 'llama-speech[grammars]', or give what it said as "
                "--peer NAME:SET=FILE"
            ) from None
    return "|".join(found)


class NemoText:
    """nemo_text_processing's deterministic English grammar, with its post-processing of punctuation."""

    name = "nemo"

    def __init__(self, language: str = "en", cache_dir: Path | None = None) -> None:
        """Build the grammar, which takes minutes, or read it from `cache_dir`."""
        self._versions = _versions("nemo_text_processing", "pynini")
        from nemo_text_processing.text_normalization.normalize import Normalizer

        self._language = language
        folder = str(cache_dir / f"nemo-{version('nemo_text_processing')}") if cache_dir else None
        self._normalizer = Normalizer(input_case="cased", lang=language, cache_dir=folder)

    def signature(self) -> str:
        """Return versions and options."""
        return f"nemo|{self._versions}|lang:{self._language}|input_case:cased|punct_post_process:yes"

    def read(self, text: str) -> str:
        """Return the spoken form."""
        return str(self._normalizer.normalize(text, verbose=False, punct_post_process=True))


class WeText:
    """WeTextProcessing's English grammar, which its package brings compiled."""

    name = "wetext"

    def __init__(self, language: str = "en", cache_dir: Path | None = None) -> None:
        """Read the grammar. Raises InputError for other languages."""
        self._versions = _versions("WeTextProcessing", "pynini")
        if language != "en":
            raise InputError(f"the peer wetext is set up for English, language is {language}: leave it out")
        from tn.english.normalizer import Normalizer

        self._normalizer = Normalizer()

    def signature(self) -> str:
        """Return versions and options."""
        return f"wetext|{self._versions}|lang:en"

    def read(self, text: str) -> str:
        """Return the spoken form."""
        return str(self._normalizer.normalize(text))


PEERS: dict[str, Callable[[str, Path | None], PeerNormalizer]] = {"nemo": NemoText, "wetext": WeText}


def make_normalizer_peer(name: str, language: str = "en", cache_dir: Path | None = None) -> PeerNormalizer:
    """Return the peer called `name`. Raises InputError when there is none, ConfigError without its
    package.
    """
    if name not in PEERS:
        raise InputError(f"no text normalizer is called {name}: use {', '.join(PEERS)} or NAME:SET=FILE")
    return PEERS[name](language, cache_dir)


def read_by(peer: PeerNormalizer, pairs: Sequence[Pair]) -> tuple[list[str], float]:
    """What a peer says for each pair, and words a second of one core. A sentence on which it fails counts as
    left unread.
    """
    outputs, failed, start = [], 0, time.process_time()
    for pair in pairs:
        try:
            outputs.append(peer.read(pair.written))
        except Exception as error:  # noqa: BLE001 - a peer may raise anything; the sentence is lost to it
            logger.info("%s on %r: %s", peer.name, pair.written, error)
            failed += 1
            outputs.append("")
    seconds = time.process_time() - start
    if failed:
        logger.warning("%s failed on %d of %d sentences", peer.name, failed, len(pairs))
    return outputs, sum(len(pair.written.split()) for pair in pairs) / max(seconds, 1e-9)
