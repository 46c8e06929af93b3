"""Unlabelled audio for pre-training: cut where a voice activity model hears speech, kept above a score.

    python -m recipes.prepare_unlabelled --audio FOLDER --out DATA/unlabelled --licence "CC BY 4.0"
    python -m recipes.prepare_speech --manifest DATA/unlabelled/train.jsonl --out DATA/unlabelled-features

Pieces of at most a minute, cut in pauses; kept if the mean speech probability of silero-vad is over 0.7
(arXiv 2407.21783, 8.1 names the score, not the model). Nothing is copied: the manifest says where each piece
lies in its file, so that any number of machines can work from one folder, by `--engine ray` or each with its
--share. Goes on where it stopped, file by file.
"""

import functools
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from llama_speech.segments import AudioPiece, SegmentConfig, iter_pieces
from llama_speech.voice_activity import SAMPLE_RATE, WINDOW_SAMPLES, VoiceActivity, load_voice_activity
from recipes.data.engines import Workers, map_tasks
from recipes.data.manifests import Utterance
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.audio import AUDIO_SUFFIXES, AudioLimits, iter_audio
from speech_core.errors import AudioError, ConfigError, InputError

logger = logging.getLogger(__name__)

CUTTING = SegmentConfig(target_s=40.0, max_s=60.0, pad_s=0.1, short_pause_s=0.2)  # 60 s: the paper's crop


@dataclass(frozen=True)
class UnlabelledOptions:
    """Options of this recipe."""

    audio: Path = option(Path(), "folder of recordings")
    out: Path = option(Path(), "folder to write train.jsonl to")
    language: str = option("und", "code of the language, und if it is not known")
    licence: str = option("unknown", "of the recordings")
    least_score: float = option(0.7, "pieces with a lower mean speech probability are left out")
    share: tuple[int, int] = option((0, 1), "this machine's number and how many there are")
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        if not 0.0 <= self.least_score < 1.0:
            raise ConfigError(f"least-score is {self.least_score}: choose from 0 to 1")
        number, count = self.share
        if not 0 <= number < count:
            raise ConfigError(f"share is {number} {count}: the first is below the second")


def speech_score(audio: "np.ndarray[tuple[int], np.dtype[np.float32]]", voice: VoiceActivity) -> float:
    """Mean probability of speech over the windows of 32 ms of a piece; 0 for less than one window."""
    windows = audio.size // WINDOW_SAMPLES
    if windows == 0:
        return 0.0
    whole = torch.from_numpy(audio[: windows * WINDOW_SAMPLES])[None]
    return float(voice.step(whole, voice.init_state())[0].mean())


def pieces_of(path: Path, voice: VoiceActivity) -> Iterator[tuple[AudioPiece, float]]:
    """The speech of a file in pieces, with the score of each."""
    blocks = iter_audio(path, SAMPLE_RATE, AudioLimits(allow_damaged=True))
    for piece in iter_pieces(blocks, CUTTING, voice):
        yield piece, speech_score(piece.audio, voice)


def prepare(chosen: UnlabelledOptions) -> Counter[str]:
    """Write the manifest; counts of files and pieces."""
    if not chosen.audio.is_dir():
        raise InputError(f"{chosen.audio} is no folder: give --audio")
    number, count = chosen.share
    files = sorted(path for path in chosen.audio.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)[
        number::count
    ]
    chosen.out.mkdir(parents=True, exist_ok=True)
    name = "train" if count == 1 else f"train-{number:04d}"
    manifest, journal = chosen.out / f"{name}.jsonl", chosen.out / f"{name}.done"
    done = set(journal.read_text(encoding="utf-8").splitlines()) if journal.exists() else set[str]()
    missing = [path for path in files if path.relative_to(chosen.audio).as_posix() not in done]
    counts = Counter[str]({"files known": len(files) - len(missing)})
    for key, found, lines in map_tasks(_cut_file, [(path, chosen) for path in missing], chosen.workers):
        counts += found
        with manifest.open("a", encoding="utf-8") as out:
            out.write("".join(lines))
        with journal.open("a", encoding="utf-8") as out:
            out.write(key + "\n")
    logger.info("%s", ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


@functools.cache
def _voice() -> VoiceActivity:
    """Loaded once in each process."""
    return load_voice_activity()


def _cut_file(task: tuple[Path, UnlabelledOptions]) -> tuple[str, Counter[str], list[str]]:
    """Name of a file, counts of its pieces, and the manifest lines of those that are kept."""
    path, chosen = task
    key = path.relative_to(chosen.audio).as_posix()
    counts, lines = Counter[str](), []
    try:
        for piece, score in pieces_of(path, _voice()):
            if score <= chosen.least_score:
                counts["pieces below the score"] += 1
                continue
            counts["pieces"] += 1
            utterance = Utterance(
                id=f"{key}#{piece.start_samples}",
                audio=str(path.resolve()),
                text=None,
                language=chosen.language,
                speaker=key,
                duration_s=round(piece.audio.size / SAMPLE_RATE, 3),
                corpus=f"unlabelled-{chosen.audio.name}",
                licence=chosen.licence,
                extra={"start_s": piece.start_s, "speech_score": round(score, 4)},
            )
            lines.append(json.dumps(asdict(utterance), ensure_ascii=False) + "\n")
    except AudioError as error:
        logger.warning("%s: %s", key, error)
        counts["files that cannot be read"] += 1
    return key, counts, lines


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(UnlabelledOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
