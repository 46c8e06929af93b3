"""A component on disk: `config.json`, `model.safetensors`, and `training.json` with where the weights come from.

Loading builds the model from `config.json` alone; names and shapes must match exactly, and nothing is unpickled.
"""

import dataclasses
import json
import os
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from speech_core.errors import CheckpointError

Config = TypeVar("Config")


def config_to_dict(config: Any) -> dict[str, Any]:
    """A frozen dataclass, nested ones too, as plain values."""
    return dataclasses.asdict(config)


def _nested_type(annotation: Any) -> type | None:
    """The dataclass behind an annotation, also behind `X | None`; None where there is none."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((option for option in options if dataclasses.is_dataclass(option)), None)  # type: ignore[arg-type]


def config_from_dict(cls: type[Config], values: dict[str, Any]) -> Config:
    """The dataclass `cls` from plain values. Raises CheckpointError on a key it does not know."""
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise CheckpointError(f"{cls.__name__} has no field {', '.join(unknown)}: it has {', '.join(sorted(hints))}")
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        nested = _nested_type(hints[name])
        if nested is not None and isinstance(value, dict):
            value = config_from_dict(nested, value)
        arguments[name] = tuple(value) if isinstance(value, list) else value
    return cls(**arguments)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old or the whole new one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read_json(path: Path) -> Any:
    """Parsed JSON. Raises CheckpointError with the path when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: is this a checkpoint folder?") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): copy it again") from None


def save_component(
    folder: Path, model: nn.Module, config: Any, training: dict[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Write one component; floating point values in `dtype` where given (buffers of whole numbers stay)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, tensor in model.state_dict().items():
        value = tensor.detach().cpu().contiguous()
        tensors[name] = value.to(dtype) if dtype is not None and value.is_floating_point() else value
    partial = folder / "model.safetensors.partial"
    save_file(tensors, partial)
    os.replace(partial, folder / "model.safetensors")
    write_json(folder / "config.json", config_to_dict(config))
    write_json(folder / "training.json", training)


def load_weights(folder: Path, model: nn.Module) -> None:
    """Fill `model` from `model.safetensors`; 16 bit values become the model's own type.

    Raises CheckpointError when the file is missing or damaged, or when a name or a shape differs.
    """
    path = folder / "model.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: is this a checkpoint folder?")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy it again") from None
    own = model.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) or [
        f"{name} {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if own[name].shape != tensors[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{path} is of another model, it differs in {wrong[0]} ({len(wrong)} differences)")
    model.load_state_dict(tensors)


def load_config(folder: Path, cls: type[Config]) -> Config:
    """The configuration a component was saved with."""
    return config_from_dict(cls, read_json(folder / "config.json"))
