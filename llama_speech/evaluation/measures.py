"""What was measured of sounds, kept by their files' checksums, so that an interrupted evaluation goes on."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from speech_core.checksums import sha256_of

logger = logging.getLogger(__name__)


class MeasureCache:
    """JSON values by measure and sound, in memory and, with a path, in a JSONL file that grows."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known = {(row["measure"], row["audio_sha256"]): row["value"] for row in self._read()}

    def _read(self) -> Iterator[dict[str, Any]]:
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                logger.warning("%s: a broken line is left out and will be made again", self._path.name)

    def get(self, measure: str, sound: Path, make: Callable[[], Any]) -> Any:
        """The value of a measure for a sound file, made and kept if it is not known."""
        key = (measure, sha256_of(sound))
        if key not in self._known:
            self._known[key] = make()
            self._append({"measure": measure, "audio_sha256": key[1], "value": self._known[key]})
        return self._known[key]

    def _append(self, row: dict[str, Any]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        broken = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * broken + json.dumps(row) + "\n")
