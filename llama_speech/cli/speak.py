"""`llama-speech speak`: read text aloud, to a WAV file or as a stream of sound while text still arrives."""

import argparse
import json
import re
import sys
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from llama_speech.cli._options import UsageError, positive, wrong_usage
from llama_speech.cli._outputs import check_file

if TYPE_CHECKING:
    from llama_speech.speech import Speaker
    from prosody.predictor import ProsodyOptions
    from speech_core.events import AudioChunk
    from speech_synthesis.synthesizer import SpeechStream

STDIN = "-"
DEFAULT_OUTPUT = "speech.wav"
_LIKE_A_FILE = re.compile(r"\S+\.(?:txt|text|md)|(?:\.{1,2}|~)?/\S+", re.IGNORECASE)
_PIECE = 4096  # characters read at once
_UNKNOWN_LENGTH = 0x7FFFFFFF - 64  # bytes a streamed WAV file announces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("text", nargs="?", default=STDIN, help="a text, a file, or - for standard input")
    parser.add_argument("-o", "--output", help=f"WAV file to write (default: {DEFAULT_OUTPUT})")
    parser.add_argument(
        "--stream", action="store_true", help="write the sound to standard output, while text still arrives"
    )
    parser.add_argument(
        "--format", default="wav", choices=["wav", "pcm"], help="of --stream; pcm: 16-bit, 24 kHz, mono"
    )
    group = parser.add_argument_group("voice")
    for name, of in (("rate", "speed"), ("pitch", "pitch"), ("energy", "power")):
        group.add_argument(f"--{name}", type=float, default=1.0, help=f"factor of {of} (default: 1)")
    group.add_argument("--voice", help="speaker of the prosody model (default: its first)")
    group.add_argument("--seed", type=int, help="sample the prosody by this seed instead of its mean")
    group.add_argument(
        "--lexicon", metavar="FILE", help="words with their phones, in place of the voice's own"
    )
    group.add_argument("--model", metavar="FOLDER", help="bundle with the weights (default: the shipped one)")
    group.add_argument("--llama", metavar="LLAMA", help="folder of the Llama (default: the bundle's own)")
    group.add_argument("--no-llama", action="store_true", help="do without the Llama's states")
    group.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: all cores)")
    more = parser.add_argument_group("more results")
    more.add_argument("--timestamps", metavar="FILE", help="write when each word is heard, as JSON")
    more.add_argument("--plot", metavar="FILE", help="write a picture: sound, spectrum, phones, pitch")


def run(args: argparse.Namespace) -> int:
    """Speak; says in one line when there is nothing to say."""
    if args.stream and args.output:
        raise UsageError("--stream writes to standard output: leave --output out")
    path = Path(args.output or DEFAULT_OUTPUT)
    for name in (None if args.stream else path, args.timestamps, args.plot):
        if name is not None:
            check_file(Path(name))
    options, pieces = _options(args), _pieces(args.text)
    speaker = _speaker(args)
    stream = speaker.stream(options, keep_phones=bool(args.plot))
    chunks = speaker.say(pieces, stream)
    kept: list[AudioChunk] = []
    with _writer(args, path, speaker.sample_rate) as write:
        for chunk in chunks:
            write(chunk)
            if args.plot:
                kept.append(chunk)
    if stream.num_samples == 0:
        print("llama-speech: there is nothing to say in this text", file=sys.stderr)
        return 1
    if not args.stream:
        print(f"{path}: {stream.num_samples / speaker.sample_rate:.2f} s")
    if args.timestamps:
        _write_timestamps(Path(args.timestamps), stream, speaker.sample_rate)
    if args.plot:
        _plot(Path(args.plot), kept, stream, speaker)
    return 0


def _options(args: argparse.Namespace) -> "ProsodyOptions":
    from prosody.predictor import ProsodyOptions

    with wrong_usage():
        return ProsodyOptions(
            rate=args.rate,
            pitch=args.pitch,
            energy=args.energy,
            decoding="mean" if args.seed is None else "sample",
            seed=args.seed or 0,
            speaker=args.voice,
        )


def _speaker(args: argparse.Namespace) -> "Speaker":
    import torch

    from llama_speech.speech import VoiceSource, load_speaker

    if args.threads:
        torch.set_num_threads(args.threads)
    return load_speaker(VoiceSource(args.model, args.llama, args.lexicon, not args.no_llama))


def _pieces(text: str) -> Iterable[str]:
    """The text in pieces: of standard input, of a file of this name, or itself."""
    if text == STDIN:
        return _lines(sys.stdin)
    try:
        is_file = len(text) < 1024 and Path(text).is_file()
        is_folder = len(text) > 1 and text.endswith("/") and Path(text).is_dir()
    except (OSError, ValueError):  # no name of a file on this system
        return [text]
    if is_folder or (not is_file and _LIKE_A_FILE.fullmatch(text)):
        raise UsageError(f"{text}: no such file; to say just that, give it to standard input")
    return _file_pieces(Path(text)) if is_file else [text]


def _file_pieces(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from _lines(stream)


def _lines(stream: TextIO) -> Iterator[str]:
    while piece := stream.readline(_PIECE):
        yield piece


@contextmanager
def _writer(args: argparse.Namespace, path: Path, sample_rate: int) -> Iterator["_Write"]:
    """Something that writes chunks; a file of which nothing was written is not left behind."""
    if args.stream:
        yield _Write(sys.stdout.buffer, args.format == "wav", sample_rate)
        sys.stdout.buffer.flush()
        return
    file = _WaveFile(path, sample_rate)
    try:
        yield file
    finally:
        file.close()


class _Write:
    """Chunks to a pipe, flushed one by one; a WAV header of unknown length first."""

    def __init__(self, out: BinaryIO, header: bool, sample_rate: int) -> None:
        self._out, self._header, self._rate = out, header, sample_rate

    def __call__(self, chunk: "AudioChunk") -> None:
        if self._header:
            self._out.write(wav_header(self._rate))
            self._header = False
        self._out.write(_pcm(chunk))
        self._out.flush()


class _WaveFile(_Write):
    """Chunks to a WAV file, made with the first one."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._path, self._rate = path, sample_rate
        self._file: wave.Wave_write | None = None

    def __call__(self, chunk: "AudioChunk") -> None:
        if self._file is None:
            self._raw = self._path.open("wb")
            self._file = wave.open(self._raw, "wb")  # noqa: SIM115 (closed with this object)
            self._file.setparams((1, 2, self._rate, 0, "NONE", ""))
        self._file.writeframes(_pcm(chunk))

    def close(self) -> None:
        """Complete the header."""
        if self._file is not None:
            self._file.close()
            self._raw.close()


def _pcm(chunk: "AudioChunk") -> bytes:
    from speech_core.pcm import float_to_pcm16

    return float_to_pcm16(chunk.samples.numpy())


def wav_header(sample_rate: int) -> bytes:
    """Header of a 16-bit mono WAV whose length is not known yet."""
    import struct

    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_LENGTH + 36, b"WAVE", b"fmt ", 16, 1, 1),
        *(sample_rate, 2 * sample_rate, 2, 16, b"data", _UNKNOWN_LENGTH),
    )


def _write_timestamps(path: Path, stream: "SpeechStream", sample_rate: int) -> None:
    words = [
        {
            "word": time.word.text,
            "start": round(time.start_sample / sample_rate, 4),
            "end": round(time.end_sample / sample_rate, 4),
            "text_start": time.word.start,
            "text_end": time.word.end,
        }
        for time in stream.word_times
    ]
    result = {"sample_rate": sample_rate, "samples": stream.num_samples, "words": words}
    path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _plot(path: Path, chunks: "list[AudioChunk]", stream: "SpeechStream", speaker: "Speaker") -> None:
    import torch

    from llama_speech.evaluation.speech_plot import plot_speech
    from llama_speech.speech import Speech

    samples = torch.cat([chunk.samples for chunk in chunks]).numpy()
    phones = tuple(stream.phones)
    plot_speech(Speech(samples, speaker.sample_rate, tuple(stream.word_times), phones), path)
