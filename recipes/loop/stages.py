"""The stages of training a set of weights has been through, as `training.json` keeps them."""

from pathlib import Path
from typing import Any

from speech_core.checkpoint import read_json


def stages_of(component: Path) -> list[dict[str, Any]]:
    """Records of the stages behind the weights in a folder, oldest first, the last one included."""
    last = read_json(component / "training.json")
    return [*last.pop("earlier", ()), last]
