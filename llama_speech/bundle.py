"""Bundles: a folder with trained components and `bundle.json`, the manifest. Only this file knows the format.

    bundle.json          format version, name, languages, the Llama it belongs to, checksums, scores
    speech_encoder/      config.json, model.safetensors, training.json
    speech_adapter/ ...  the same; COMPONENTS lists all
    README.md            model card

A component that is absent disables what needs it, the rest works. Nothing in it is executed or unpickled.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from speech_core.checksums import sha256_of
from speech_core.errors import BundleError, CheckpointError
from speech_core.json_files import read_json, write_json

MANIFEST = "bundle.json"
FORMAT_VERSION = 1
ENVIRONMENT = "LLAMA_SPEECH_BUNDLE"
COMPONENTS = {  # what each component is needed for, as error messages say it
    "speech_encoder": "hear",
    "speech_adapter": "transcribe",
    "language_model": "search drafts by what is likely to be said",
    "llama": "write text",
    "text_normalizer": "choose readings of numbers and signs by context",
    "pronunciation": "turn words into phones",
    "prosody": "give speech its timing, pitch and loudness",
    "acoustic": "speak",
    "vocoder": "speak",
}


@dataclass(frozen=True)
class BundleInfo:
    """What the manifest says besides the files."""

    name: str
    version: str
    licence: str = "Apache-2.0"
    languages: tuple[str, ...] = ("en",)  # codes, ISO 639-1
    llama: dict[str, Any] = field(
        default_factory=dict
    )  # how to get the Llama: package, version, sha256; or folder
    scores: tuple[dict[str, Any], ...] = ()  # measured, each with its signature


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest has been read; `files` maps relative paths to {bytes, sha256}."""

    folder: Path
    info: BundleInfo
    files: dict[str, dict[str, Any]]

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components that are there."""
        found = dict.fromkeys(PurePosixPath(name).parts[0] for name in self.files if "/" in name)
        return tuple(found)

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(int(entry["bytes"]) for entry in self.files.values())

    def component(self, name: str) -> Path:
        """Folder of a component. Raises BundleError if the bundle has none of this name."""
        if name not in self.components:
            purpose = COMPONENTS.get(name, "do that")
            raise BundleError(f"bundle {self.folder} has no {name}, without it nothing can {purpose}")
        return self.folder / name

    def verify(self) -> None:
        """Compare every file with its size and checksum. Raises BundleError at the first that differs."""
        for name, entry in self.files.items():
            path = self.folder / name
            if not path.is_file():
                raise BundleError(f"bundle {self.folder} lacks {name}: copy it again")
            if path.stat().st_size != entry["bytes"]:
                size = path.stat().st_size
                raise BundleError(
                    f"{path} has {size} bytes instead of {entry['bytes']}: copy the bundle again"
                )
            if sha256_of(path) != entry["sha256"]:
                raise BundleError(f"{path} differs from its checksum: copy the bundle again")


def bundles_folder() -> Path:
    """Where the bundles of the package itself are."""
    return Path(__file__).parent / "bundles"


def default_bundle_folder() -> Path:
    """The bundle used when none is named: $LLAMA_SPEECH_BUNDLE, else the one of the package."""
    chosen = os.environ.get(ENVIRONMENT)
    return Path(chosen) if chosen else bundles_folder() / "default"


def read_bundle(folder: str | os.PathLike[str] | None = None, verify: bool = True) -> Bundle:
    """The bundle in `folder`, by default the default one; `verify` compares all checksums.

    folder may also be the name of a bundle of the package. Raises BundleError, one line, if it is missing,
    damaged, or of a newer format.
    """
    path = Path(folder) if folder is not None else default_bundle_folder()
    if len(path.parts) == 1 and not path.exists() and (bundles_folder() / path).is_dir():
        path = bundles_folder() / path
    if not path.is_dir():
        raise BundleError(
            f"{_described(folder, path)} is not a folder: name a bundle with --model or {ENVIRONMENT}"
        )
    if not (path / MANIFEST).is_file():
        hint = ", and looks like a Llama: name it with --llama" if (path / "tokenizer.json").is_file() else ""
        raise BundleError(f"{path} is not a bundle: it has no {MANIFEST}{hint}")
    try:
        manifest = read_json(path / MANIFEST)
    except CheckpointError as error:
        raise BundleError(str(error)) from None
    bundle = _parsed(path, manifest)
    if verify:
        bundle.verify()
    return bundle


def _described(folder: object, path: Path) -> str:
    if folder is not None:
        return f"bundle {path}"
    return f"bundle {path} of {ENVIRONMENT}" if os.environ.get(ENVIRONMENT) else f"the default bundle {path}"


def _parsed(path: Path, manifest: Any) -> Bundle:
    """Check the shape of the manifest and take it over."""
    where = path / MANIFEST
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{where} has no format_version: it is not the manifest of a bundle")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{where} has format {version}, this version reads {FORMAT_VERSION}: update llama-speech"
        )
    try:
        info = BundleInfo(
            name=str(manifest["name"]),
            version=str(manifest["version"]),
            licence=str(manifest["licence"]),
            languages=tuple(manifest["languages"]),
            llama=dict(manifest["llama"]),
            scores=tuple(manifest.get("scores", ())),
        )
        files = {_safe(where, name): _file_entry(entry) for name, entry in manifest["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{where} is incomplete ({error!r}): copy the bundle again") from None
    return Bundle(path, info, files)


def _file_entry(entry: Any) -> dict[str, Any]:
    return {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}


def _safe(where: Path, name: str) -> str:
    """A relative path that stays in the bundle."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        raise BundleError(f"{where} names the file {name!r}, which lies outside the bundle")
    return name


def write_manifest(folder: Path, info: BundleInfo) -> Bundle:
    """Write `bundle.json` for all files that lie in `folder` now, and return the bundle."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }
    manifest = {
        "format_version": FORMAT_VERSION,
        "name": info.name,
        "version": info.version,
        "licence": info.licence,
        "languages": list(info.languages),
        "llama": info.llama,
        "scores": list(info.scores),
        "files": files,
    }
    write_json(folder / MANIFEST, manifest)
    return Bundle(folder, info, files)
