"""Places in labelled samples where the tagger must choose, and batches of them.

A place is a TN token at which the rules, with the lookahead of the tagger, offer readings that differ. The
label says which is wanted; readings that say the same, or the same but for a title written out, are right as
well.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from llama_speech.evaluation.normalization_scores import fold3
from llama_speech.normalization import StateSource
from speech_core.events import TokenEvent
from tts_frontend.config import NormalizerConfig, TaggerConfig
from tts_frontend.inventory import Reading, View, best_reading
from tts_frontend.languages import load_language
from tts_frontend.normalizer_rules import RuleNormalizer
from tts_frontend.tagger import differing, says
from tts_frontend.tagger_features import SeenToken, TokenWatcher
from tts_frontend.tagger_model import TaggerBatch
from tts_frontend.text_tokens import Token, cut


class Place(NamedTuple):
    """One choice. token: index among the sample's seen tokens; limit: end of the text that may be seen;
    rules: outputs of the tagger that are allowed; right: whether each is right; scores: of the rules
    themselves; kind: class of the label.
    """

    token: int
    limit: int
    rules: tuple[int, ...]
    right: tuple[bool, ...]
    scores: tuple[float, ...]
    kind: str


@dataclass(frozen=True)
class Item:
    """A sample with its places. spoken: its reference, "" where not known; missed: labels that the rules do
    not offer with this lookahead.
    """

    text: str
    spoken: str
    source: str
    tokens: tuple[SeenToken, ...]
    places: tuple[Place, ...]
    missed: int


@dataclass(frozen=True)
class Draw:
    """Which samples are taken: how many, how long at most, what part of the generated ones, and the seed of
    their order. Each text has its place in the order by itself, so other samples do not move it.

    tuning: whether those are taken that are kept from training, to choose settings on.
    """

    samples: int
    most_chars: int = 240
    generated: float = 0.25
    seed: int = 0
    tuning: bool = False


TUNING_SHARE = 0.06
"""Share of the texts of the train part that choose settings and train nothing."""


def lot(text: str, purpose: str) -> float:
    """A number from 0 to 1 that is the same for a text wherever and whenever it is drawn."""
    digest = hashlib.blake2b(f"{purpose} {text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Recorder:
    """Follows the labels of one sample through the rules and notes the places on the way."""

    def __init__(self, sample: dict[str, Any], config: TaggerConfig, language: str) -> None:
        tokens = cut(sample["written"])
        self._wanted = {tokens[start].start: rule for rule, start, _ in sample["labels"]}
        self._outputs = {name: number for number, name in enumerate(config.rules)}
        self._kinds = load_language(language).inventory.by_name
        self.tokens: list[SeenToken] = []
        self._watcher = TokenWatcher(config.num_rows)
        self._index: dict[int, int] = {}
        self.places: list[Place] = []
        self.missed = 0

    def watch(self, tokens: Sequence[Token]) -> None:
        """Tokens as they are cut."""
        for token in self._watcher.push(tokens):
            self._index[token.start] = len(self.tokens)
            self.tokens.append(token)

    def choose(self, view: View, readings: Sequence[Reading]) -> Reading:
        """The reading of the label, where there is one."""
        start = view.start + view.offset
        wanted = [r for r in readings if r.rule == self._wanted.get(start)]
        if not wanted:
            self.missed += start in self._wanted and len(readings) > 1
            return best_reading(readings)
        known = [r for r in readings if r.rule in self._outputs]
        if len(known) > 1 and differing(known) and start in self._index:
            self.places.append(self._place(view, known, wanted[0]))
        return wanted[0]

    def _place(self, view: View, readings: Sequence[Reading], wanted: Reading) -> Place:
        right = tuple(r.end == wanted.end and _same(r, wanted) for r in readings)
        return Place(
            self._index[view.start + view.offset],
            view.limit + view.offset,
            tuple(self._outputs[r.rule] for r in readings),
            right,
            tuple(r.score for r in readings),
            self._kinds[wanted.rule].kind,
        )


def _same(one: Reading, other: Reading) -> bool:
    return says(one) == says(other) or fold3(one.spoken) == fold3(other.spoken)


def item_of(sample: dict[str, Any], config: TaggerConfig) -> Item:
    """A sample with its places at the right context of `config`."""
    recorder = Recorder(sample, config, config.language)
    options = NormalizerConfig(config.language, config.right_context, verify=False)
    stream = RuleNormalizer(options, recorder.choose, watch=recorder.watch)
    stream.push(sample["written"])
    stream.flush()
    return Item(
        sample["written"],
        sample.get("spoken", ""),
        sample["source"],
        tuple(recorder.tokens),
        tuple(recorder.places),
        recorder.missed,
    )


def read_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Samples of `recipes.prepare_text`, one a line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def drawn_items(
    path: Path, config: TaggerConfig, draw: Draw, known: Container[str] | None = None
) -> Iterator[Item]:
    """Items with at least one place, from samples in random order; an item's text is not repeated. known:
    take no other texts.
    """
    order = f"order {draw.seed}"
    seen: set[str] = set()
    for sample in sorted(read_samples(path), key=lambda one: lot(one["written"], order)):
        if len(seen) >= draw.samples:
            return
        text = sample["written"]
        if len(text) > draw.most_chars or text in seen or _is_tuning(text) != draw.tuning:
            continue
        if known is not None and text not in known:
            continue
        if sample["source"] == "generated" and lot(text, "generated") >= draw.generated:
            continue
        item = item_of(sample, config)
        if item.places:
            seen.add(item.text)
            yield item


def _is_tuning(text: str) -> bool:
    return lot(text, "tuning") < TUNING_SHARE


class StateCache:
    """The Llama's states of the samples, as `recipes.normalizer_states` wrote them."""

    def __init__(self, folder: Path) -> None:
        self.places: dict[str, tuple[int, list[int]]] = {}
        for one in read_samples(folder / "index.jsonl"):
            self.places[one["text"]] = (one["start"], one["ends"])
            self.width = int(one["width"])
        size = (folder / "states.f16").stat().st_size // (2 * self.width)
        self.states = np.memmap(folder / "states.f16", np.float16, "r", shape=(size, self.width))

    def __contains__(self, text: str) -> bool:
        return text in self.places

    def of(self, text: str) -> tuple[np.ndarray, list[int]]:
        """States (tokens, d_llama) float16 and where each token's text ends."""
        start, ends = self.places[text]
        return self.states[start : start + len(ends)], ends

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and reciprocal deviation of each dimension, over a sample of the states."""
        some = torch.from_numpy(np.array(self.states[:: max(1, len(self.states) // 20_000)])).float()
        return some.mean(0), 1 / some.std(0).clamp(min=1e-3)


class CachedStates:
    """Token events of texts in a cache; of others by the Llama, or without embeddings where there is none."""

    def __init__(self, cache: StateCache, llama: StateSource | None) -> None:
        self._cache, self._llama = cache, llama

    def events(self, text: str) -> list[TokenEvent]:
        """Tokens of `text`; those of the cache carry no ids."""
        if text not in self._cache:
            return self._llama.events(text) if self._llama else [TokenEvent(0, text)]
        states, ends = self._cache.of(text)
        vectors = torch.from_numpy(np.array(states)).float()
        starts = [0, *ends[:-1]]
        return [TokenEvent(0, text[a:b], v) for a, b, v in zip(starts, ends, vectors, strict=True)]


@dataclass
class Batches:
    """Endless batches of items in seeded order, of similar length; resumable. drop_states: share of items
    whose Llama states are hidden, so that one tagger serves with and without a Llama.
    """

    items: Sequence[Item]
    config: TaggerConfig
    states: StateCache | None
    batch_size: int = 32
    seed: int = 0
    drop_states: float = 0.0
    epoch: int = 0
    position: int = 0

    def __iter__(self) -> Iterator[TaggerBatch]:
        while True:
            batches = self._epoch_batches()
            while self.position < len(batches):
                chosen = batches[self.position]
                draw = Random(f"{self.seed} {self.epoch} {self.position}")
                self.position += 1
                hidden = [draw.random() < self.drop_states for _ in chosen]
                yield collate([self.items[n] for n in chosen], self.config, self.states, hidden)
            self.epoch, self.position = self.epoch + 1, 0

    def _epoch_batches(self) -> list[list[int]]:
        draw = Random(f"{self.seed} {self.epoch}")
        order = sorted(range(len(self.items)), key=lambda n: (len(self.items[n].tokens) // 4, draw.random()))
        batches = [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        draw.shuffle(batches)
        return batches

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])


def collate(
    items: Sequence[Item], config: TaggerConfig, states: StateCache | None, hidden: Sequence[bool] = ()
) -> TaggerBatch:
    """Items as one batch; `hidden` says whose states are left out."""
    width = max(len(item.tokens) for item in items)
    rows: list[int] = []
    starts: list[int] = []
    for item in items:
        for token in item.tokens:
            starts.append(len(rows))
            rows += token.rows
        starts += [len(rows)] * (width - len(item.tokens))
    places = [(n, place) for n, item in enumerate(items) for place in item.places]
    windows = [_window(items[n], place, config.window_tokens) for n, place in places]
    steps = max(len(window) for window in windows)
    lengths = torch.tensor([len(item.tokens) for item in items])
    window_lengths = torch.tensor([len(window) for window in windows])
    allowed = torch.zeros(len(places), len(config.rules), dtype=torch.bool)
    right, rule_scores = torch.zeros_like(allowed), torch.zeros(allowed.shape)
    for row, (_, place) in enumerate(places):
        allowed[row, list(place.rules)] = True
        rule_scores[row, list(place.rules)] = torch.tensor(place.scores, dtype=torch.float32)
        right[row, [r for r, good in zip(place.rules, place.right, strict=True) if good]] = True
    seen, visible = _states(items, places, config, states, hidden)
    return TaggerBatch(
        rows=torch.tensor(rows),
        row_starts=torch.tensor(starts),
        token_mask=torch.arange(width) < lengths[:, None],
        sentence=torch.tensor([n for n, _ in places]),
        token=torch.tensor([place.token for _, place in places]),
        window=torch.tensor([window + [0] * (steps - len(window)) for window in windows]),
        window_mask=torch.arange(steps) < window_lengths[:, None],
        states=seen,
        visible=visible,
        allowed=allowed,
        right=right,
        rule_scores=rule_scores,
    )


def _window(item: Item, place: Place, most: int) -> list[int]:
    """Tokens of the right context, last first, down to the place's own."""
    end = place.token + 1
    while end < len(item.tokens) and item.tokens[end].end <= place.limit and end - place.token < most:
        end += 1
    return list(range(end - 1, place.token - 1, -1))


def _states(
    items: Sequence[Item],
    places: Sequence[tuple[int, Place]],
    config: TaggerConfig,
    states: StateCache | None,
    hidden: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Padded states of the items, and which of them each place may see."""
    if not config.d_llama or states is None:
        return None, None
    gone = [(bool(hidden) and hidden[n]) or item.text not in states for n, item in enumerate(items)]
    found = [
        (np.zeros((0, config.d_llama), np.float16), []) if gone[n] else states.of(item.text)
        for n, item in enumerate(items)
    ]
    longest = max(1, *(len(ends) for _, ends in found))
    padded = torch.zeros(len(items), longest, config.d_llama)
    for row, (values, ends) in enumerate(found):
        padded[row, : len(ends)] = torch.from_numpy(np.array(values)).float()
    visible = torch.zeros(len(places), longest, dtype=torch.bool)
    for row, (n, place) in enumerate(places):
        count = int(np.searchsorted(np.array(found[n][1]), place.limit, side="right"))
        visible[row, max(0, count - config.llama_tokens) : count] = True
    return padded, visible
