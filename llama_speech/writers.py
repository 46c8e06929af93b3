"""A transcription as a file: txt, json, srt, vtt, tsv (the conventions of Whisper) and jsonl."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from llama_speech.results import Transcription
from speech_core.errors import InputError


def render(result: Transcription, output_format: str, source: str) -> str:
    """The whole file in one format of FORMATS; `source` is what jsonl calls the recording.

    Raises InputError if there is no such format.
    """
    if output_format not in FORMATS:
        raise InputError(f"output format is {output_format!r}: use one of {', '.join(FORMATS)}")
    return FORMATS[output_format](result, source)


def to_txt(result: Transcription, source: str) -> str:
    """One line for each segment."""
    return "".join(f"{segment.text}\n" for segment in result.segments)


def to_json(result: Transcription, source: str) -> str:
    """One object: text, language, duration, segments."""
    return json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n"


def to_jsonl(result: Transcription, source: str) -> str:
    """The same object on one line, with the name of the recording as `file`."""
    return json.dumps({"file": source, **result.to_dict()}, ensure_ascii=False) + "\n"


def to_srt(result: Transcription, source: str) -> str:
    """SubRip subtitles, one cue for each segment, numbered from 1."""
    cues = [
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{_cue_text(segment.text)}\n"
        for number, segment in enumerate(result.segments, start=1)
    ]
    return "\n".join(cues)


def to_vtt(result: Transcription, source: str) -> str:
    """WebVTT subtitles; hours are left out while they are zero."""
    cues = [
        f"\n{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{_cue_text(segment.text)}\n"
        for segment in result.segments
    ]
    return "WEBVTT\n" + "".join(cues)


def to_tsv(result: Transcription, source: str) -> str:
    """Start and end in whole milliseconds and the text, below a line of names."""
    rows = [
        f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{' '.join(segment.text.split())}\n"
        for segment in result.segments
    ]
    return "start\tend\ttext\n" + "".join(rows)


FORMATS: dict[str, Callable[[Transcription, str], str]] = {
    "txt": to_txt,
    "json": to_json,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "jsonl": to_jsonl,
}


def _clock(time_s: float, decimal_mark: str) -> str:
    """HH:MM:SS,mmm for SubRip (comma); for WebVTT (point) without zero hours."""
    milliseconds = round(time_s * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, milliseconds = divmod(rest, 1000)
    prefix = f"{hours:02d}:" if hours or decimal_mark == "," else ""
    return f"{prefix}{minutes:02d}:{seconds:02d}{decimal_mark}{milliseconds:03d}"


def _cue_text(text: str) -> str:
    """Text that cannot be taken for the time line or the end of a cue."""
    return " ".join(text.replace("-->", "->").split())


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8; the file is the old or the whole new one. Raises InputError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _umask() -> int:
    """The mask of this process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
