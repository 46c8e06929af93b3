"""The stages of training a set of weights has been through, as `training.json` keeps them."""

from pathlib import Path
from typing import Any

from speech_core.checkpoint import read_json


def stages_of(export: Path) -> list[dict[str, Any]]:
    """Records of the stages behind an exported speech part, oldest first, the last one included."""
    last = read_json(export / "speech_adapter" / "training.json")
    return [*last.pop("earlier", ()), last]
