"""Where audio bytes come from, and what their container promises: no decoding here.

Every source becomes a seekable binary file of known size. Pipes are copied to a temporary file first, since
some containers (m4a, mp4) have their index at the end.
"""

import io
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from speech_core.errors import AudioError


class BinaryReader(Protocol):
    """A binary file object; seeking is used where it is offered."""

    def read(self, size: int = ..., /) -> bytes | None:
        """Up to `size` bytes, none at the end."""


AudioSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryReader

UNNAMED = "audio"  # what messages call bytes and files without a name
_COPY_BYTES = 1 << 20
_SPOOL_BYTES = 16 << 20  # pipes up to this size stay in memory
_OPEN_ENDED_BYTES = 0x7FFF0000  # recorders that write into a pipe put a size from here up into a WAV header
_SLACK_BYTES = 4096  # sizes are often wrong by a few samples
_OGG_PAGE_BYTES = 65_307  # largest page of Ogg, RFC 3533


@dataclass(frozen=True)
class OpenSource:
    """A seekable file at its start, how to call it in messages, and its size."""

    file: "Window"
    name: str
    size_bytes: int


@contextmanager
def open_source(source: AudioSource, max_bytes: int) -> Iterator[OpenSource]:
    """Open a path, bytes or a binary file object; closes only what it opened itself.

    Raises AudioError if the source is missing, unreadable, empty or larger than `max_bytes`.
    """
    name = source_name(source)
    if isinstance(source, bytes | bytearray | memoryview):
        file, owned = io.BytesIO(source), True
    elif isinstance(source, str | os.PathLike):
        file, owned = _open_path(Path(source), name, max_bytes), True
    elif hasattr(source, "read"):
        file, owned = _seekable(source, name, max_bytes)
    else:
        raise AudioError(f"audio is a {type(source).__name__}: give a path, bytes or a binary file object")
    try:
        yield OpenSource(Window(file), name, _checked_size(file, name, max_bytes))
    finally:
        if owned:
            file.close()


def source_name(source: Any) -> str:
    """How messages call a source: its path as given, `standard input`, or UNNAMED.

    Always one line that can be printed: bytes of a path that are no text become escapes.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if name == "<stdin>" or name == 0:
        return "standard input"
    if not isinstance(name, str):
        return UNNAMED
    return " ".join(name.encode("utf-8", "backslashreplace").decode().split())


def _open_path(path: Path, name: str, max_bytes: int) -> Any:
    try:
        file = path.open("rb")
    except IsADirectoryError:
        raise AudioError(f"{name}: is a folder, not an audio file") from None
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if file.seekable():
        return file
    with file:
        return _spool(file, name, max_bytes)


def _seekable(file: Any, name: str, max_bytes: int) -> tuple[Any, bool]:
    """The file itself, or a temporary copy of a pipe; and whether it is ours to close."""
    if isinstance(file, io.TextIOBase):
        raise AudioError(f"{name}: is open as text: open it in binary mode ('rb')")
    if hasattr(file, "seekable") and file.seekable():
        return file, False
    return _spool(file, name, max_bytes), True


def _spool(file: IO[bytes], name: str, max_bytes: int) -> Any:
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 (handed to the caller)
    try:
        while data := file.read(_COPY_BYTES):
            copy.write(data)
            if copy.tell() > max_bytes:
                raise AudioError(_too_large(name, max_bytes))
        copy.seek(0)
        return copy
    except BaseException:
        copy.close()
        raise


def _checked_size(file: IO[bytes], name: str, max_bytes: int) -> int:
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    if size <= 0:
        raise AudioError(f"{name}: is empty (0 bytes)")
    if size > max_bytes:
        raise AudioError(_too_large(name, max_bytes))
    return size


def _too_large(name: str, max_bytes: int) -> str:
    return f"{name}: is larger than the limit of {max_bytes} bytes"


class Window(io.RawIOBase):
    """A file from its present position on, as if it began there: containers hold absolute offsets."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.tell()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the window."""
        shift = self._start if whence == io.SEEK_SET else 0
        return self._file.seek(offset + shift, whence) - self._start

    def tell(self) -> int:
        """Position within the window."""
        return self._file.tell() - self._start

    def seekable(self) -> bool:
        """Always true."""
        return True

    def readable(self) -> bool:
        """Always true."""
        return True


def container_fault(file: Window, size_bytes: int) -> str | None:
    """What is wrong with the promised length of a WAV or Ogg file, or None; leaves the file at its start."""
    file.seek(0)
    head = file.read(12)
    try:
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            return _wav_fault(file, size_bytes)
        if head[:4] == b"OggS":
            return _ogg_fault(file, size_bytes)
        return None
    finally:
        file.seek(0)


def _wav_fault(file: Window, size_bytes: int) -> str | None:
    """Compare the size of the data chunk with the file; recording into a pipe leaves 0 or a huge size."""
    while len(header := file.read(8)) == 8:
        name, promised = header[:4], struct.unpack("<I", header[4:])[0]
        if name != b"data":
            file.seek(promised + promised % 2, io.SEEK_CUR)
            continue
        present = size_bytes - file.tell()
        if promised == 0 or promised >= _OPEN_ENDED_BYTES:
            return None
        if promised > present + min(_SLACK_BYTES, promised // 100):
            return f"truncated: the header promises {promised} bytes of sound, the file holds {present}"
        file.seek(promised + promised % 2, io.SEEK_CUR)
        return _wav_tail_fault(file, promised, present)
    return None


def _wav_tail_fault(file: Window, promised: int, present: int) -> str | None:
    """Other chunks may follow the sound; anything else means that the header gives too small a size."""
    tail = file.read(8)
    surplus = present - promised - promised % 2
    is_chunk = len(tail) == 8 and all(32 <= byte < 127 for byte in tail[:4])
    if surplus <= 8 or (is_chunk and struct.unpack("<I", tail[4:])[0] <= surplus) or tail.strip(b"\0") == b"":
        return None
    return f"the header promises {promised} bytes of sound, but {surplus} more follow: its length is wrong"


def _ogg_fault(file: Window, size_bytes: int) -> str | None:
    """The last page of Ogg must be whole and carry the end-of-stream flag (RFC 3533, section 6)."""
    file.seek(max(0, size_bytes - 2 * _OGG_PAGE_BYTES))
    tail = file.read()
    start = len(tail)
    while (start := tail.rfind(b"OggS", 0, start)) >= 0:
        page = tail[start:]
        table = page[27 : 27 + page[26]] if len(page) > 27 else b""
        if len(page) == 27 + len(table) + sum(table):
            return None if page[5] & 4 else "truncated: the end of the stream is missing"
    return "truncated: its last page is cut"


def mp3_counts_frames(file: Window) -> bool:
    """Whether an MP3 file states its length (a Xing or Info header); leaves the file at its start."""
    file.seek(0)
    head = file.read(10)
    skip = 0
    if head[:3] == b"ID3" and len(head) == 10:
        skip = 10 + sum((byte & 127) << (21 - 7 * place) for place, byte in enumerate(head[6:10]))
    file.seek(skip)
    first_frame = file.read(4096)
    file.seek(0)
    return b"Xing" in first_frame or b"Info" in first_frame
