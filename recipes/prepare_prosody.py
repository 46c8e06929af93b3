"""What the prosody model learns from: the phones of a voice cache with the Llama's states of their text.

    python -m recipes.prepare_prosody --voices DATA/voice --llama CACHE/default-llama --out DATA/prosody

Writes `train` and `dev` below `--out`, by the texts that a voice cache keeps for evaluation. States are those
of the middle layer, as if the text answered an empty prompt (arXiv 2407.21783, section 8.1); without --llama
there are none. Groups of phones and tokens are formed as when speaking. Resumes shard by shard.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from prosody.items import ProsodyItem, write_shard
from prosody.targets import Targets
from recipes.data.llama_states import StateReader, TextStates
from recipes.data.voice_cache import VoiceCache, VoiceItem
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import InputError
from speech_core.events import Phone, PhoneGroup, SpokenGroup, SpokenWord, TokenEvent
from tts_frontend.languages.en.phones import SILENCE
from tts_frontend.normalizer import WordGrouper
from tts_frontend.spoken_words import PlacedWord

logger = logging.getLogger(__name__)

ITEMS_PER_SHARD = 1000


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    voices: tuple[Path, ...] = option((), "voice caches to read")
    out: Path = option(Path(), "folder to write train and dev sets into")
    llama: Path | None = option(None, "folder of the Llama whose states are kept")
    batch_tokens: int = option(1024, "tokens the Llama runs at once")


def spoken_phones(item: VoiceItem) -> list[Phone]:
    """The phones as the front end gives them: no pause at the start, each pause with the mark before it."""
    phones: list[Phone] = []
    for phone in item.phone_records():
        if phone.symbol == SILENCE:
            if not phones:
                continue
            phone = replace(phone, punctuation=phones[-1].punctuation)
        phones.append(phone)
    return phones


def voice_targets(item: VoiceItem, frame_s: float) -> Targets:
    """Quantities of `spoken_phones` of a voice item; pauses have no F0."""
    first = next((number for number, word in enumerate(item.phone_words) if word >= 0), len(item.phones))
    pauses = np.array([word < 0 for word in item.phone_words])
    voiced = np.isfinite(item.log_f0) & ~pauses
    values = [np.log(item.durations * frame_s), np.where(voiced, item.log_f0, 0.0), item.log_power]
    columns = torch.from_numpy(np.stack(values, -1)).float()
    return Targets(columns[first:], torch.from_numpy(voiced)[first:])


def group_phones(item: VoiceItem, states: TextStates | None) -> tuple[PhoneGroup, ...]:
    """The phones in the groups in which they come when the text is spoken token by token.

    A pause belongs to the group of the word before it. Raises InputError if a word is in no group.
    """
    groups = _word_groups(item, states)
    count = sum(len(group.words) for group in groups)
    starts = [word.start for word in item.words]
    if count != len(starts) or starts != sorted(starts):
        raise InputError(f"{item.id}: its words do not stand in its text in order")
    group_of_word = [number for number, group in enumerate(groups) for _ in group.words]
    phones: list[list[Phone]] = [[] for _ in groups]
    current = 0
    for phone in spoken_phones(item):
        current = group_of_word[phone.word] if phone.symbol != SILENCE else current
        phones[current].append(phone)
    embeddings = iter(_split(states, groups))
    return tuple(
        PhoneGroup(tuple(own), group.words, group.token_ids, next(embeddings))
        for own, group in zip(phones, groups, strict=True)
    )


def _word_groups(item: VoiceItem, states: TextStates | None) -> list[SpokenGroup]:
    if states is None:
        return [SpokenGroup((word,)) for word in item.words]
    grouper = WordGrouper()
    grouper.add_words([PlacedWord(word, _reach(item.text, word)) for word in item.words])
    start = 0
    for token_id, end in zip(states.token_ids, states.ends, strict=True):
        grouper.add_token(TokenEvent(token_id, item.text[start:end]))
        start = end
    return grouper.flush()


def _reach(text: str, word: SpokenWord) -> int:
    """End of the punctuation that follows a word."""
    end = word.end
    while end < len(text) and not text[end].isalnum() and not text[end].isspace():
        end += 1
    return end


def _split(states: TextStates | None, groups: Sequence[SpokenGroup]) -> Iterator[torch.Tensor | None]:
    start = 0
    for group in groups:
        end = start + len(group.token_ids)
        yield None if states is None else states.hidden[start:end]
        start = end


def prosody_items(
    items: Sequence[VoiceItem], reader: StateReader | None, batch_tokens: int, frame_s: float
) -> Iterator[ProsodyItem]:
    """The items with their groups and states; one whose words do not fit its text is left out."""
    states: dict[int, TextStates | None] = dict.fromkeys(range(len(items)))
    if reader is not None:
        states |= dict(reader.read([item.text for item in items], batch_tokens))
    for number, item in enumerate(items):
        try:
            groups = group_phones(item, states[number])
        except InputError as error:
            logger.warning("left out: %s", error)
            continue
        yield ProsodyItem(item.id, item.text, item.speaker, groups, voice_targets(item, frame_s))


def prepare(config: RunConfig) -> int:
    """Write the missing shards; returns the number of texts written."""
    reader = StateReader(config.llama) if config.llama else None
    written = 0
    for split in ("train", "dev"):
        cache = VoiceCache(config.voices, split)
        for index, start in enumerate(range(0, len(cache), ITEMS_PER_SHARD)):
            if (config.out / split / f"shard-{index:05d}.jsonl").exists():
                continue
            items = [cache[number] for number in range(start, min(start + ITEMS_PER_SHARD, len(cache)))]
            found = prosody_items(items, reader, config.batch_tokens, 1.0 / cache.config.frame_rate_hz)
            written += write_shard(config.out / split, index, found)
            logger.info("%s: %d of %d", split, start + len(items), len(cache))
    return written


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%d texts written", run_command(RunConfig, prepare, __doc__ or "", argv))


if __name__ == "__main__":
    main()
