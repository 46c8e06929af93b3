"""Texts for recordings without: what two Whisper models agree on, digits written out, the rest left out.

    python -m recipes.prepare_labels --speech-dir SPEECH --sets picovoice-speech-to-intent \
        --whisper BASE TINY --out DATA/labels
    python -m recipes.prepare_labels --manifest UNLABELLED/train.jsonl --whisper BASE TINY --out DATA/labels
    python -m recipes.prepare_speech --manifest DATA/labels/train.jsonl --noise-dir NOISE --out DATA/labelled

The text is the first model's. A clip is kept if the second one's differs in at most --most-difference of the
letters, if it does not say three words twice on end (both models fall into such loops) and if no dev text is
in it; `extra` of each says whose the text is and how far the other was from it. Goes on where it stopped,
clip by clip. 7 to 25 times real time on one core with base and tiny.en, slowest with short clips.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llama_speech.evaluation.scores import count_edits, error_rate
from llama_speech.normalization import normalize
from recipes.data.checking import plain_characters
from recipes.data.corpora import read_speech_set
from recipes.data.held_out import HeldOutTexts, load_held_out
from recipes.data.manifests import Utterance, read_clips, write_manifest
from recipes.data.waveforms import Waveform, read_audio
from recipes.data.whisper_labels import MAX_CLIP_S, WhisperLabeller
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

Labeller = Callable[[Waveform], str]

_SAID_TWICE = re.compile(r"\b(\w+(?: \w+){2,}) \1\b")  # three words or more, and at once again: a loop


@dataclass(frozen=True)
class LabelOptions:
    """Options of this recipe."""

    out: Path = option(Path(), "folder to write train.jsonl and heard.jsonl to")
    manifest: Path | None = option(None, "recordings without text")
    speech_dir: Path | None = option(None, "folder of speech sets; its dev texts are kept out")
    sets: tuple[str, ...] = option((), "recordings without text of these sets of --speech-dir")
    whisper: tuple[Path, ...] = option(
        (), "two folders of Whisper models for faster-whisper; the better first"
    )
    most_difference: float = option(0.1, "share of letters in which the second may differ")
    least_letters: int = option(8, "shorter texts are left out")

    def __post_init__(self) -> None:
        if len(self.whisper) != 2:
            raise ConfigError(
                f"--whisper names {len(self.whisper)} models: two are needed, the better one first"
            )
        if (self.manifest is None) == (not self.sets) or (self.sets and self.speech_dir is None):
            raise ConfigError("give either --manifest, or --sets with --speech-dir")
        if not 0.0 <= self.most_difference < 1.0:
            raise ConfigError(f"most-difference is {self.most_difference}: choose from 0 to 1")


def unlabelled(options: LabelOptions) -> Iterator[Utterance]:
    """Clips without text that Whisper can hear at once, with absolute paths."""
    if options.manifest is not None:
        clips = list(read_clips(options.manifest))
    else:
        assert options.speech_dir is not None
        root = options.speech_dir.resolve()
        clips = [one for name in options.sets for one in read_speech_set(root, name, "train")]
    for one in clips:
        if one.text is None and one.language in ("en", "und") and one.duration_s <= MAX_CLIP_S:
            yield one


def difference(first: str, second: str) -> float:
    """Share of the first text's letters and digits that the second has otherwise; 1 if the first has none."""
    first, second = plain_characters(first), plain_characters(second)
    if not (first and second):
        return 1.0
    return error_rate(count_edits([first], [second], "char")) or 0.0


def hear(
    clips: Sequence[Utterance], labellers: Sequence[Labeller], least_letters: int, journal: Path
) -> dict[str, list[str]]:
    """Texts of both labellers by the clip's id; what the journal has is not heard again.

    The second, faster one hears first: where it finds next to nothing, the other is not asked.
    """
    better, faster = labellers
    texts: dict[str, list[str]] = {}
    if journal.exists():
        lines = journal.read_text(encoding="utf-8").splitlines()
        texts = {found["id"]: found["texts"] for found in map(json.loads, lines)}
    missing = [one for one in clips if one.id not in texts]
    with journal.open("a", encoding="utf-8") as out:
        for number, one in enumerate(missing, 1):
            audio = read_audio(Path(one.audio), one.extra.get("start_s", 0.0), one.duration_s)
            quick = faster(audio)
            enough = len(plain_characters(quick)) >= least_letters
            texts[one.id] = [better(audio) if enough else "", quick]
            out.write(json.dumps({"id": one.id, "texts": texts[one.id]}, ensure_ascii=False) + "\n")
            out.flush()
            if number % 100 == 0:
                logger.info("%d of %d clips heard", number, len(missing))
    return texts


def agreed(
    one: Utterance, texts: Sequence[str], options: LabelOptions, held_out: HeldOutTexts
) -> Utterance | str:
    """The clip with its text, or why it has none."""
    spoken = [normalize(text) for text in texts]
    apart = difference(spoken[0], spoken[1])
    if len(plain_characters(spoken[0])) < options.least_letters:
        return "too short"
    if apart > options.most_difference:
        return "not agreed on"
    if _SAID_TWICE.search(plain_characters(spoken[0])):
        return "said twice"
    if held_out.holds(texts[0]) or held_out.holds(spoken[0]):
        return "held out"
    note = {"text_by": [path.name for path in options.whisper], "text_difference": round(apart, 3)}
    return replace(one, text=spoken[0], language="en", extra={**one.extra, **note})


def prepare(options: LabelOptions, labellers: Sequence[Labeller] | None = None) -> Counter[str]:
    """Write the clips that have a text now; counts of clips by what became of them."""
    clips = list(unlabelled(options))
    if not clips:
        raise InputError("no recording without a text was found: check --manifest or --sets")
    options.out.mkdir(parents=True, exist_ok=True)
    heard_by = labellers or [WhisperLabeller(path) for path in options.whisper]
    texts = hear(clips, heard_by, options.least_letters, options.out / "heard.jsonl")
    held_out = load_held_out(options.speech_dir, None)
    results = [agreed(one, texts[one.id], options, held_out) for one in clips]
    kept = [found for found in results if isinstance(found, Utterance)]
    write_manifest(options.out / "train.jsonl", kept)
    counts = Counter("kept" if isinstance(found, Utterance) else found for found in results)
    hours = sum(one.duration_s for one in kept) / 3600
    logger.info("%s; %.2f h kept", ", ".join(f"{count} {what}" for what, count in counts.items()), hours)
    return counts


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    run_command(LabelOptions, prepare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
