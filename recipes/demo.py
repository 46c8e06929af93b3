"""`make demo`: transcribe samples/; print text, language, seconds of audio and real-time factor."""

import csv
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from speech_core.errors import InputError, SpeechError

if TYPE_CHECKING:
    from llama_speech import SpeechLlama

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def read_transcripts(folder: Path) -> list[dict[str, str]]:
    """Rows of transcripts.tsv (file, duration_s, speaker, text); raises InputError if it is missing."""
    table = folder / "transcripts.tsv"
    if not table.is_file():
        raise InputError(f"{table} is missing: run from a checkout of the project")
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def transcribe_row(model: "SpeechLlama", folder: Path, row: dict[str, str]) -> tuple[float, float]:
    """Transcribe and print one clip: seconds of audio and seconds taken."""
    start = time.perf_counter()
    result = model.transcribe(folder / row["file"])
    taken_s = time.perf_counter() - start
    factor = taken_s / result.duration_s
    print(f"{row['file']}  {result.language}  {result.duration_s:.1f} s  real-time factor {factor:.2f}")
    print(f"  heard: {result.text.strip()}")
    print(f"  read:  {row['text']}")
    return result.duration_s, taken_s


def main() -> int:
    """Load the default model, transcribe every clip, print a line of totals."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("llama_speech").setLevel(logging.INFO)
    try:
        rows = read_transcripts(SAMPLES)
        start = time.perf_counter()
        import llama_speech

        model = llama_speech.load()
        load_s = time.perf_counter() - start
        times = [transcribe_row(model, SAMPLES, row) for row in rows]
    except SpeechError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    audio_s, taken_s = (sum(column) for column in zip(*times, strict=True))
    print(f"{audio_s:.1f} s of audio in {taken_s:.1f} s, real-time factor {taken_s / audio_s:.2f};", end=" ")
    print(f"the model was ready after {load_s:.1f} s")
    print("Your own recording: .venv/bin/llama-speech transcribe FILE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
