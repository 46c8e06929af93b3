"""A component on disk: `config.json`, `model.safetensors`, and `training.json`: where the weights come from.

Loading builds the model from `config.json` alone; names and shapes must match exactly; nothing is unpickled.
"""

import dataclasses
import shutil
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from speech_core.errors import CheckpointError
from speech_core.json_files import read_json as read_json  # here too, where checkpoints are used
from speech_core.json_files import write_json as write_json

Config = TypeVar("Config")


def config_to_dict(config: Any) -> dict[str, Any]:
    """A frozen dataclass, nested ones too, as plain values."""
    return dataclasses.asdict(config)


def _nested_type(annotation: Any) -> type | None:
    """The dataclass behind an annotation, also behind `X | None`; None where there is none."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    classes = (option for option in options if isinstance(option, type))
    return next((option for option in classes if dataclasses.is_dataclass(option)), None)


def config_from_dict(cls: type[Config], values: dict[str, Any]) -> Config:
    """The dataclass `cls` from plain values. Raises CheckpointError on a key it does not know."""
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise CheckpointError(
            f"{cls.__name__} has no field {', '.join(unknown)}: it has {', '.join(sorted(hints))}"
        )
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        nested = _nested_type(hints[name])
        if nested is not None and isinstance(value, dict):
            value = config_from_dict(nested, value)
        arguments[name] = tuple(value) if isinstance(value, list) else value
    return cls(**arguments)


STORAGES = ("float32", "float16", "int8")
_SCALE = ":scale"  # ends the name of the per-row factors of a matrix stored in 8 bits


def _store(name: str, value: Tensor, storage: str) -> dict[str, Tensor]:
    """A tensor as it is written: matrices in fewer bits where asked, vectors and whole numbers as is."""
    if storage == "float32" or value.dim() < 2 or not value.is_floating_point():
        return {name: value}
    if storage == "float16":
        return {name: value.half()}
    rows = value.float().flatten(1)
    scale = (rows.abs().amax(1) / 127).clamp(min=1e-12)
    whole = (rows / scale[:, None]).round().to(torch.int8).view(value.shape)
    return {name: whole, name + _SCALE: scale}


def _restore(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stored tensors as floating point values; the inverse of `_store` up to rounding."""
    restored = {}
    for name, value in tensors.items():
        if name.endswith(_SCALE):
            continue
        scale = tensors.get(name + _SCALE)
        if scale is not None:
            value = value.float() * scale.view(-1, *[1] * (value.dim() - 1))
        restored[name] = value
    return restored


def save_component(
    folder: Path, model: nn.Module, config: Any, training: dict[str, Any], storage: str = "float32"
) -> None:
    """Write one component; `storage` of matrices: float32, float16, or int8 (with a factor for each row).

    Raises CheckpointError for another storage.
    """
    if storage not in STORAGES:
        raise CheckpointError(f"storage is {storage!r}: use one of {', '.join(STORAGES)}")
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        tensors |= _store(name, tensor.detach().cpu().contiguous(), storage)
    partial = folder / "model.safetensors.partial"
    save_file(tensors, partial)
    partial.chmod(0o644)  # for other users of an installed bundle too
    partial.replace(folder / "model.safetensors")
    write_json(folder / "config.json", config_to_dict(config))
    write_json(folder / "training.json", training)


def convert_weights(source: Path, target: Path, storage: str) -> None:
    """Write the tensors of one `model.safetensors` again with another storage of matrices.

    Raises CheckpointError when the source is missing or damaged, or for an unknown storage.
    """
    if storage not in STORAGES:
        raise CheckpointError(f"storage is {storage!r}: use one of {', '.join(STORAGES)}")
    if weights_storage(source) == storage:
        shutil.copyfile(source, target)  # rounding again would lose more
        return
    tensors: dict[str, Tensor] = {}
    for name, tensor in _restore(_read_tensors(source)).items():
        tensors |= _store(name, tensor.float() if tensor.is_floating_point() else tensor, storage)
    save_file(tensors, target)
    target.chmod(0o644)


def weights_storage(path: Path) -> str:
    """How the matrices of a `model.safetensors` are stored: float32, float16, int8, or another type."""
    tensors = _read_tensors(path)
    if any(name.endswith(_SCALE) for name in tensors):
        return "int8"
    types = {value.dtype for value in tensors.values() if value.dim() > 1 and value.is_floating_point()}
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types)) or "float32"


def count_weights(path: Path) -> int:
    """Number of trained values in a `model.safetensors`; whole numbers and factors of rows do not count."""
    tensors = _read_tensors(path)
    return sum(
        value.numel()
        for name, value in tensors.items()
        if not name.endswith(_SCALE) and (value.is_floating_point() or name + _SCALE in tensors)
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: is this a checkpoint folder?")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy it again") from None
    return tensors


def load_weights(folder: Path, model: nn.Module) -> None:
    """Fill `model` from `model.safetensors`; values stored in fewer bits become the model's own type.

    Raises CheckpointError when the file is missing or damaged, or when a name or a shape differs.
    """
    path = folder / "model.safetensors"
    tensors = _restore(_read_tensors(path))
    own = model.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) or [
        f"{name} {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if own[name].shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(
            f"{path} is of another model, it differs in {wrong[0]} ({len(wrong)} differences)"
        )
    model.load_state_dict(tensors)


def load_config(folder: Path, cls: type[Config]) -> Config:
    """The configuration a component was saved with.

    Raises CheckpointError when the file is missing, damaged, or of another kind of component.
    """
    path = folder / "config.json"
    values = read_json(path)
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no JSON object: is this a checkpoint folder?")
    try:
        return config_from_dict(cls, values)
    except TypeError as error:
        raise CheckpointError(f"{path} does not fit {cls.__name__} ({error}): copy it again") from None
