"""JSON files: read with an error that names the file, written whole or not at all. Needs no torch."""

import json
import os
from pathlib import Path
from typing import Any

from speech_core.errors import CheckpointError


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old or the whole new one. Raises ValueError for NaN."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # several processes may write the same
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> Any:
    """Parsed JSON. Raises CheckpointError with the path when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: is this a checkpoint folder?") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): copy it again") from None
