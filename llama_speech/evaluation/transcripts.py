"""Running a recogniser over files once: texts and times are cached by file checksum and recogniser signature.

The cache is one JSONL file per recogniser, appended after every batch, so that an interrupted run goes on
where it stopped.
"""

import hashlib
import json
import logging
import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from llama_speech.evaluation.peers import Recognizer
from speech_core.checksums import sha256_of

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # (files done, files in all)


@dataclass(frozen=True)
class Transcript:
    """What a recogniser made of one file.

    wall_s, cpu_s: time spent, its share of the batch; error: why it failed (then text is empty), else None.
    """

    audio_sha256: str
    text: str
    wall_s: float
    cpu_s: float
    error: str | None = None


def cpu_time_s() -> float:
    """Return processor seconds used so far by this process, all its threads, and its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class TranscriptCache:
    """Transcripts of one recogniser, in memory and in a JSONL file that grows."""

    def __init__(self, folder: Path, name: str, signature: str) -> None:
        """Open, or start, the cache file of a recogniser below `folder`."""
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60]
        digest = hashlib.sha256(signature.encode()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{slug}-{digest}.jsonl"
        self._known = {item.audio_sha256: item for item in self._read()}
        if not self.path.exists():
            self.path.write_text(json.dumps({"signature": signature}) + "\n", encoding="utf-8")
        elif not self.path.read_bytes().endswith(b"\n"):
            self._append("\n")  # a killed run left half a line: keep it from joining the next

    def _read(self) -> Iterator[Transcript]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                logger.warning("%s: a broken line is left out and will be made again", self.path.name)
                continue
            if "audio_sha256" in record:
                yield Transcript(**record)

    def get(self, audio_sha256: str) -> Transcript | None:
        """Return the cached transcript of a file, or None. Failed files are tried again."""
        found = self._known.get(audio_sha256)
        return found if found and found.error is None else None

    def add(self, items: Sequence[Transcript]) -> None:
        """Keep new transcripts and append them to the file."""
        text = "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)
        self._append(text)
        self._known.update((item.audio_sha256, item) for item in items)

    def _append(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)


def transcribe_batch(
    recognizer: Recognizer, paths: Sequence[Path], sha256s: Sequence[str]
) -> list[Transcript]:
    """Return transcripts with times for a batch; when it fails, each file is tried alone and failures are
    recorded.
    """
    wall_start, cpu_start = time.perf_counter(), cpu_time_s()
    failure: str | None = None
    try:
        texts = recognizer.transcribe(paths)
        if len(texts) != len(paths):
            raise RuntimeError(f"{recognizer.name} gave {len(texts)} texts for {len(paths)} files")
    except Exception as error:  # noqa: BLE001 - a peer may raise anything; the failure is stored, counted and printed
        if len(paths) > 1:
            singles = [transcribe_batch(recognizer, [p], [s]) for p, s in zip(paths, sha256s, strict=True)]
            return [item for single in singles for item in single]
        logger.warning("%s failed on %s: %s", recognizer.name, paths[0].name, error)
        texts, failure = [""], f"{type(error).__name__}: {error}"
    wall_s = (time.perf_counter() - wall_start) / len(paths)
    cpu_s = (cpu_time_s() - cpu_start) / len(paths)
    return [
        Transcript(sha256, text, round(wall_s, 4), round(cpu_s, 4), failure)
        for sha256, text in zip(sha256s, texts, strict=True)
    ]


def transcribe_files(
    recognizer: Recognizer, paths: Sequence[Path], cache_dir: Path, progress: Progress | None = None
) -> list[Transcript]:
    """Return one transcript per file, in order; only files the cache does not know are run."""
    cache = TranscriptCache(cache_dir, recognizer.name, recognizer.signature())
    sha256s = [sha256_of(path) for path in paths]
    missing = {sha: path for sha, path in zip(sha256s, paths, strict=True) if cache.get(sha) is None}
    todo = list(missing.items())
    results: dict[str, Transcript] = {}
    done = len(paths) - len(todo)
    if todo:
        recognizer.prepare()
    for start in range(0, len(todo), recognizer.batch_size):
        batch = todo[start : start + recognizer.batch_size]
        made = transcribe_batch(recognizer, [path for _, path in batch], [sha for sha, _ in batch])
        cache.add(made)
        results.update((item.audio_sha256, item) for item in made)
        done += len(batch)
        if progress:
            progress(done, len(paths))
    return [results.get(sha) or _found(cache, sha) for sha in sha256s]


def _found(cache: TranscriptCache, sha256: str) -> Transcript:
    """Return a transcript that is known to be in the cache."""
    found = cache.get(sha256)
    assert found is not None
    return found
