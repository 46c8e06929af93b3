"""Decoding: every container, files that lie, bounded memory."""

import io
import os
import re
import threading
import tracemalloc

import numpy as np
import pytest

from speech_core.audio import AudioLimits, iter_audio, load_array, load_audio, probe_duration_s
from speech_core.errors import AudioError, InputError
from tests.audio_files import CODECS, encode, tone, wav_bytes

SECONDS = 2.0


def strength(audio: np.ndarray, frequency_hz: float, rate: int = 16000) -> float:
    """Share of the power that lies at one frequency."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size))) ** 2
    centre = round(frequency_hz * audio.size / rate)
    return float(spectrum[centre - 5 : centre + 6].sum() / spectrum.sum())


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_every_container_gives_the_tone_at_16_khz(kind, layout):
    _, _, rate = CODECS[kind]
    audio = load_audio(encode(tone(SECONDS, rate), kind, layout))
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert audio.size / 16000 == pytest.approx(SECONDS, abs=0.06)
    assert strength(audio, 440) > 0.97
    assert np.sqrt(np.mean(audio[4000:-4000] ** 2)) == pytest.approx(0.3 / 2**0.5, rel=0.1)


def test_ogg_vorbis(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.ogg"
    soundfile.write(path, tone(SECONDS, 32000), 32000, format="OGG", subtype="VORBIS")
    audio = load_audio(path)
    assert audio.size == pytest.approx(32000, abs=200)
    assert strength(audio, 440) > 0.97


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050, 44100, 96000, 192000])
def test_any_rate(rate):
    audio = load_audio(wav_bytes(tone(SECONDS, rate), rate))
    assert audio.size == pytest.approx(32000, abs=2)
    assert strength(audio, 440) > 0.97


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 24])
def test_any_number_of_channels_is_averaged(channels):
    audio = load_audio(wav_bytes(tone(0.5, 16000), channels=channels))
    assert np.allclose(audio, tone(0.5, 16000), atol=1e-4)


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 0.01), ("PCM_24", 1e-6), ("PCM_32", 1e-6), ("FLOAT", 0), ("DOUBLE", 1e-7)],
)
def test_sample_formats_of_wav(tmp_path, subtype, tolerance):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5, 16000), 16000, subtype=subtype)
    assert np.allclose(load_audio(path), tone(0.5, 16000), atol=tolerance + 1e-9)


def test_path_bytes_and_file_object_agree(tmp_path):
    data = encode(tone(SECONDS, 44100), "flac", "stereo")
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    expected = load_audio(path)
    with path.open("rb") as file:
        assert np.array_equal(load_audio(file), expected)
        assert not file.closed
    for source in (str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert np.array_equal(load_audio(source), expected)


def test_file_object_is_read_from_its_position():
    data = wav_bytes(tone(0.2, 16000))
    file = io.BytesIO(b"something before" + data)
    file.seek(16)
    assert np.array_equal(load_audio(file), load_audio(data))


@pytest.mark.parametrize("kind", ["wav", "opus", "m4a"])
def test_pipe_is_read_like_a_file(kind):
    data = encode(tone(SECONDS, CODECS[kind][2]), kind)
    read_end, write_end = os.pipe()

    def write() -> None:
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(read_end, "rb") as pipe:
        piped = load_audio(pipe)
    writer.join()
    assert np.array_equal(piped, load_audio(data))


def test_blocks_join_to_the_whole_and_are_small():
    data = encode(tone(7.3, 44100), "flac")
    blocks = list(iter_audio(data))
    assert {block.size for block in blocks[:-1]} == {16000}
    assert 0 < blocks[-1].size <= 16000
    assert np.array_equal(np.concatenate(blocks), load_audio(data))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_wav_written_into_a_pipe_has_no_size_and_is_read_to_its_end(size):
    assert load_audio(wav_bytes(tone(1.0, 16000), data_size=size)).size == 16000


def test_chunks_after_the_sound_of_a_wav_are_no_lie():
    tail = b"LIST" + (26).to_bytes(4, "little") + b"INFOISFT\x0e\0\0\0Lavf58.76.100\0"
    assert load_audio(wav_bytes(tone(1.0, 16000), tail=tail)).size == 16000


def test_pause_in_a_recording_becomes_silence():
    audio = load_audio(encode(tone(4.0, 48000), "webm", skip_s=3.0))
    assert audio.size / 16000 == pytest.approx(7.0, abs=0.1)
    assert np.abs(audio[int(2.6 * 16000) : int(4.4 * 16000)]).max() < 1e-3


def test_probe_reads_the_length_from_the_header(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(encode(tone(SECONDS, 22050), "mp3"))
    assert probe_duration_s(path) == pytest.approx(SECONDS, abs=0.1)
    (tmp_path / "b.txt").write_text("no sound")
    assert probe_duration_s(tmp_path / "b.txt") is None
    assert probe_duration_s(tmp_path / "missing") is None


SOUND = tone(2.0, 16000)


def nan_wav() -> bytes:
    soundfile = pytest.importorskip("soundfile")
    samples = tone(0.1, 16000)
    samples[800] = np.nan
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="WAV", subtype="FLOAT")
    return file.getvalue()


NOT_AUDIO = "a: is not audio (wav, flac, ogg, opus, mp3, m4a, mp4, webm and the like are read)"
BAD_FILES = [
    ("empty", lambda: b"", "a: is empty (0 bytes)"),
    ("text", lambda: b"This is a letter, not a sound.\n" * 99, NOT_AUDIO),
    ("noise", lambda: np.random.default_rng(0).bytes(50_000), NOT_AUDIO),
    (
        "playlist",
        lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nother.wav\n#EXT-X-ENDLIST\n",
        NOT_AUDIO,
    ),
    ("concat script", lambda: b"ffconcat version 1.0\nfile other.wav\n", NOT_AUDIO),
    ("header only", lambda: wav_bytes(SOUND[:0]), "a: holds no sound (0 samples)"),
    (
        "rate 0",
        lambda: wav_bytes(SOUND, rate=0),
        "a: truncated or damaged: its header cannot be read (Invalid data found when processing input)",
    ),
    (
        "rate 1",
        lambda: wav_bytes(SOUND, rate=1),
        "a: sample rate 1 Hz is outside 1000 to 768000 Hz: its header is wrong",
    ),
    (
        "rate 2 GHz",
        lambda: wav_bytes(SOUND, rate=2_000_000_000),
        "a: sample rate 2000000000 Hz is outside 1000 to 768000 Hz: its header is wrong",
    ),
    (
        "wav promises more",
        lambda: wav_bytes(SOUND, data_size=1_000_000_000),
        "a: truncated: the header promises 1000000000 bytes of sound, the file holds 64000",
    ),
    (
        "wav promises less",
        lambda: wav_bytes(SOUND, data_size=1000),
        "a: the header promises 1000 bytes of sound, but 63000 more follow: its length is wrong",
    ),
    (
        "flac cut",
        lambda: encode(SOUND, "flac", rate=16000)[:9_000],
        "a: damaged or truncated after #.## s (Invalid data found when processing input)",
    ),
    ("opus cut", lambda: encode(tone(5.0, 48000), "opus")[:20_000], "a: truncated: its last page is cut"),
    (
        "mp3 cut",
        lambda: encode(tone(5.0, 22050), "mp3")[:8_000],
        "a: truncated: the header promises #.## s, the file holds #.## s",
    ),
    (
        "webm cut",
        lambda: encode(tone(5.0, 48000), "webm")[:20_000],
        "a: truncated: the header promises #.## s, the file holds #.## s",
    ),
    (
        "m4a cut",
        lambda: encode(tone(5.0, 44100), "m4a")[:20_000],
        "a: truncated or damaged: its header cannot be read (Invalid data found when processing input)",
    ),
    (
        "codec nobody knows",
        lambda: wav_bytes(SOUND)[:20] + b"\x42\x42" + wav_bytes(SOUND)[22:],
        "a: its codec is unknown, or its header is wrong",
    ),
    (
        "integers of 64 bits",
        lambda: wav_bytes(SOUND)[:32] + b"\x08\0\x40\0" + wav_bytes(SOUND)[36:],
        "a: samples of the form s64 cannot be read",
    ),
    ("not a number", nan_wav, "a: audio holds samples that are not numbers (NaN or infinity)"),
]


@pytest.mark.parametrize(
    ("make", "message"), [case[1:] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES]
)
def test_bad_file_gets_one_clear_line(tmp_path, monkeypatch, make, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(make())
    (tmp_path / "other.wav").write_bytes(wav_bytes(SOUND))
    with pytest.raises(AudioError) as caught:
        load_audio("a")
    # where a codec decides, the digits are its own
    got = re.sub(r"\d\.\d\d s", "#.## s", str(caught.value)) if "#" in message else str(caught.value)
    assert got == message


def test_missing_folder_text_mode_and_wrong_type(tmp_path):
    with pytest.raises(AudioError, match=r"nowhere\.wav: no such file"):
        load_audio("nowhere.wav")
    with pytest.raises(AudioError, match="is a folder, not an audio file"):
        load_audio(tmp_path)
    with pytest.raises(AudioError, match="is open as text: open it in binary mode"):
        load_audio(io.StringIO("x"))  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="audio is a int: give a path, bytes or a binary file object"):
        load_audio(7)  # type: ignore[arg-type]
    assert issubclass(AudioError, InputError)
    assert issubclass(InputError, ValueError)


def test_url_is_only_a_file_name():
    with pytest.raises(AudioError, match="no such file"):
        load_audio("http://127.0.0.1:9/a.wav")


def test_limits_hold_whatever_the_header_says():
    data = wav_bytes(tone(5.0, 16000), data_size=0xFFFFFFFF)
    with pytest.raises(AudioError, match="audio: is longer than the limit of 3 s"):
        load_audio(data, limits=AudioLimits(max_duration_s=3))
    with pytest.raises(AudioError, match="audio: is larger than the limit of 1000 bytes"):
        load_audio(data, limits=AudioLimits(max_bytes=1000))
    with pytest.raises(AudioError, match="limits must be positive"):
        AudioLimits(max_duration_s=0)


def test_decompression_bomb_of_silence():
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, np.zeros(2_000_000, np.float32), 2000, format="FLAC")  # 1000 s
    bomb = file.getvalue()
    assert len(bomb) < 8000
    with pytest.raises(AudioError, match=r"decompression bomb: \d+ bytes give over 7\d\d s"):
        load_audio(bomb)


def test_time_stamps_cannot_ask_for_years_of_silence():
    bomb = encode(tone(1.0, 48000), "webm", skip_s=10_000_000.0)
    with pytest.raises(AudioError, match="longer than the limit of 86400 s"):
        load_audio(bomb)


def test_damaged_file_is_read_as_far_as_it_goes_when_asked():
    for kind, _rate in (("flac", 44100), ("opus", 48000), ("mp3", 22050), ("wav", 44100)):
        data = encode(tone(4.0, CODECS[kind][2]), kind)
        audio = load_audio(data[: len(data) // 2], limits=AudioLimits(allow_damaged=True))
        assert 1.0 < audio.size / 16000 < 2.5


def test_flipped_bits_never_escape_as_another_error():
    rng = np.random.default_rng(5)
    for kind in CODECS:
        whole = encode(tone(1.0, CODECS[kind][2]), kind)
        for _ in range(12):
            data = bytearray(whole)
            for position in rng.integers(0, len(data), 8):
                data[position] ^= int(rng.integers(1, 256))
            try:
                audio = load_audio(bytes(data), limits=AudioLimits(max_duration_s=60))
            except AudioError:
                continue
            assert np.isfinite(audio).all()


class LongWav(io.RawIOBase):
    """A WAV file of noise that exists only while it is read."""

    def __init__(self, duration_s: int, rate: int = 44100) -> None:
        self._header = wav_bytes(np.zeros(0, dtype=np.float32), rate, data_size=duration_s * rate * 2)
        self._noise = (np.random.default_rng(0).standard_normal(1 << 16) * 800).astype("<i2").tobytes()
        self._size = len(self._header) + duration_s * rate * 2
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else self._size, self._size - self._at)
        start = self._at
        self._at += max(size, 0)
        if start < len(self._header):
            data = (self._header + self._noise)[start : start + size]
        else:
            offset = (start - len(self._header)) % len(self._noise)
            data = (self._noise + self._noise)[offset : offset + min(size, len(self._noise))]
        self._at = start + len(data)
        return data


def test_an_hour_is_decoded_in_flat_memory():
    tracemalloc.start()
    try:
        samples = sum(block.size for block in iter_audio(LongWav(3600, rate=16000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert samples == 3600 * 16000
    assert peak < 8 << 20  # the whole hour is 230 MB as float32


def test_arrays_of_any_shape_rate_and_type():
    expected = load_array(tone(1.0, 48000), 48000)
    assert expected.size == 16000
    stereo = np.stack([tone(1.0, 48000)] * 2)
    assert np.allclose(load_array(stereo, 48000), expected, atol=1e-6)
    assert np.allclose(load_array(stereo.T, 48000), expected, atol=1e-6)
    assert np.allclose(load_array((stereo * 32767).astype(np.int16), 48000), expected, atol=1e-3)
    with pytest.raises(AudioError, match="audio array holds no samples"):
        load_array(np.zeros(0), 16000)
    with pytest.raises(AudioError, match="sample rate 0 Hz is outside"):
        load_array(tone(1.0, 48000), 0)
