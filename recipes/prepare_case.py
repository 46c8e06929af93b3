"""Case and punctuation for recordings whose texts have none (LibriSpeech's); their words stay as they are.

    python -m recipes.prepare_case --corpus librispeech --corpus-dir LibriSpeech --whisper TINY \
        --without SPEECH/librispeech/dev.jsonl --out DATA/cased
    python -m recipes.prepare_case --manifest READ/train.jsonl --sentences SENTENCES.txt.gz --out DATA/cased
    python -m recipes.prepare_speech --manifest DATA/cased/train.jsonl --noise-dir NOISE --out DATA/read

A recognizer that learns from both kinds of text writes now one, now the other. With --whisper each word is
written as the model writes what it hears, where it hears that word; clips where it hears too little of the
text are left out, for the text may be wrong. With --sentences each text is one sentence, and names are
written as in that file. Clips of speakers of --without (manifests, or `dev.jsonl` of a speech set) are left
out. Goes on where it stopped. About 8 times real time on one core with tiny.en.
"""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from recipes.data.letter_case import UsualCase, cased_like
from recipes.data.manifests import Utterance, read_clips, write_manifest
from recipes.data.public_corpora import PUBLIC_CORPORA, read_public_corpus
from recipes.data.waveforms import Waveform, read_audio
from recipes.data.whisper_labels import MAX_CLIP_S, WhisperLabeller
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseOptions:
    """Options of this recipe."""

    out: Path = option(Path(), "folder to write train.jsonl to, and heard.jsonl with --whisper")
    manifest: Path | None = option(None, "recordings with text")
    corpus: str | None = option(None, "a public corpus instead", choices=PUBLIC_CORPORA)
    corpus_dir: Path | None = option(None, "where it was unpacked")
    whisper: Path | None = option(None, "folder of a Whisper model for faster-whisper")
    sentences: Path | None = option(None, "sentences with case, one a line, plain or gzipped")
    without: tuple[Path, ...] = option((), "JSON lines whose speakers are left out")
    least_same: float = option(0.6, "share of the words that have to be heard with --whisper")

    def __post_init__(self) -> None:
        if (self.whisper is None) == (self.sentences is None):
            raise ConfigError("give either --whisper or --sentences")
        if (self.manifest is None) == (self.corpus is None or self.corpus_dir is None):
            raise ConfigError("give either --manifest, or --corpus with --corpus-dir")


def _clips(options: CaseOptions) -> Iterator[Utterance]:
    """Clips with text that Whisper can hear at once, with absolute paths, of speakers that may be used."""
    if options.manifest is not None:
        clips = list(read_clips(options.manifest))
    else:
        assert options.corpus is not None
        assert options.corpus_dir is not None
        clips = read_public_corpus(options.corpus, options.corpus_dir, "train")
    kept_out = {
        json.loads(line)["speaker"]
        for path in options.without
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    for one in clips:
        if one.text and one.duration_s <= MAX_CLIP_S and one.speaker not in kept_out:
            yield one


def _heard(clips: list[Utterance], journal: Path, labeller: Callable[[Waveform], str]) -> dict[str, str]:
    """What was heard in each clip, by its id; what the journal has is not heard again."""
    texts: dict[str, str] = {}
    if journal.exists():
        lines = journal.read_text(encoding="utf-8").splitlines()
        texts = {found["id"]: found["text"] for found in map(json.loads, lines)}
    with journal.open("a", encoding="utf-8") as out:
        for number, one in enumerate([one for one in clips if one.id not in texts], 1):
            audio = read_audio(Path(one.audio), one.extra.get("start_s", 0.0), one.duration_s)
            texts[one.id] = labeller(audio)
            out.write(json.dumps({"id": one.id, "text": texts[one.id]}, ensure_ascii=False) + "\n")
            out.flush()
            if number % 100 == 0:
                logger.info("%d of %d clips heard", number, len(clips))
    return texts


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        yield from lines


def prepare(options: CaseOptions, labeller: Callable[[Waveform], str] | None = None) -> int:
    """Write the manifest; how many clips it has. Raises InputError if there is none."""
    clips = list(_clips(options))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.sentences is not None:
        usual = UsualCase(_lines(options.sentences))
        kept = [replace(one, text=usual(one.text or "")) for one in clips]
    else:
        assert options.whisper is not None
        texts = _heard(clips, options.out / "heard.jsonl", labeller or WhisperLabeller(options.whisper))
        written = [(one, *cased_like(one.text or "", texts[one.id])) for one in clips]
        kept = [replace(one, text=text) for one, text, same in written if same >= options.least_same]
    if not kept:
        raise InputError("no clip with a text is left: check --manifest, --corpus-dir and --without")
    write_manifest(options.out / "train.jsonl", kept)
    hours = sum(one.duration_s for one in kept) / 3600
    logger.info("%d clips, %.2f h; %d left out", len(kept), hours, len(clips) - len(kept))
    return len(kept)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(CaseOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
