"""Opening sources: names, sizes, pipes, and what containers promise."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from speech_core.errors import AudioError
from speech_core.sources import Window, container_fault, mp3_counts_frames, open_source, source_name
from tests.audio_files import encode, tone, wav_bytes

NO_LIMIT = 1 << 40


def fault(data: bytes) -> str | None:
    file = Window(io.BytesIO(data))
    found = container_fault(file, len(data))
    assert file.tell() == 0
    return found


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/b.wav", "a/b.wav"),
        (Path("a/b.wav"), "a/b.wav"),
        (b"", "audio"),
        ("two\nlines.wav", "two lines.wav"),
        (os.fsdecode(b"\xff.wav"), "\\udcff.wav"),
        (io.BytesIO(), "audio"),
        (sys.__stdin__, "standard input"),
    ],
)
def test_names(source, name):
    assert source_name(source) == name


def test_only_what_was_opened_here_is_closed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with open_source(path, NO_LIMIT) as opened:
        inner = opened.file._file
        assert (opened.name, opened.size_bytes, opened.file.read()) == (str(path), 3, b"abc")
    assert inner.closed
    own = io.BytesIO(b"abc")
    with open_source(own, NO_LIMIT):
        pass
    assert not own.closed


def test_a_window_begins_where_the_file_stood():
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    window = Window(file)
    assert window.read(2) == b"45"
    assert window.tell() == 2
    assert window.seek(0) == 0
    assert window.seek(0, io.SEEK_END) == 6
    assert window.seek(-1, io.SEEK_CUR) == 5
    assert window.read() == b"9"


def test_a_pipe_is_cut_off_at_the_limit():
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            return len(buffer)  # type: ignore[arg-type]

    with (
        pytest.raises(AudioError, match="audio: is larger than the limit of 5000000 bytes"),
        open_source(Endless(), 5_000_000),
    ):
        pass


def test_a_named_pipe_and_a_device(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"abc",))
    writer.start()
    with open_source(pipe, NO_LIMIT) as opened:
        assert opened.file.read() == b"abc"
    writer.join()
    with pytest.raises(AudioError, match="/dev/null: is empty"), open_source("/dev/null", NO_LIMIT):
        pass


def test_unreadable_names():
    with pytest.raises(AudioError, match="no such file"), open_source("x" * 50 + "/y.wav", NO_LIMIT):
        pass
    with (
        pytest.raises(AudioError, match="cannot be opened: File name too long"),
        open_source("x" * 999, NO_LIMIT),
    ):
        pass
    with pytest.raises(AudioError, match=r"cannot be opened: .*null"), open_source("a\0b", NO_LIMIT):
        pass


def test_whole_files_have_no_fault():
    for kind, rate in (("wav", 44100), ("opus", 48000), ("flac", 44100), ("mp3", 22050)):
        assert fault(encode(tone(1.0, rate), kind)) is None
    assert fault(b"RIFF") is None
    assert fault(b"") is None


def test_wav_sizes_may_be_slightly_wrong():
    sound = tone(2.0, 16000)
    assert fault(wav_bytes(sound, data_size=64_100)) is None
    assert fault(wav_bytes(sound, tail=b"\0" * 500)) is None
    assert fault(wav_bytes(sound, data_size=70_000)) is not None


def test_ogg_that_never_ended():
    data = bytearray(encode(tone(1.0, 48000), "opus"))
    last = data.rfind(b"OggS")
    assert data[last + 5] & 4
    data[last + 5] &= ~4
    assert fault(bytes(data)) == "truncated: the end of the stream is missing"


def test_mp3_that_states_its_length():
    data = encode(tone(1.0, 22050), "mp3")
    assert mp3_counts_frames(Window(io.BytesIO(data)))
    tag = b"ID3\x04\0\0\0\0\x40\0" + b"\0" * 8192
    assert data.startswith(b"ID3")
    size = 10 + data[9] + (data[8] << 7)
    assert mp3_counts_frames(Window(io.BytesIO(tag + data[size:])))
    assert not mp3_counts_frames(Window(io.BytesIO(b"\xff\xfb\x90\x00" + b"\0" * 9000)))
