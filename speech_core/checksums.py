"""SHA-256 of files: whether what was copied or downloaded is what it should be. Needs no torch."""

import hashlib
from pathlib import Path

from speech_core.errors import CheckpointError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Raise CheckpointError when the SHA-256 of a file is not the expected one."""
    got = sha256_of(path)
    if got != expected:
        raise CheckpointError(
            f"{path.name} has SHA-256 {got[:12]}..., expected {expected[:12]}...: it was not used; "
            "fetch it again"
        )
