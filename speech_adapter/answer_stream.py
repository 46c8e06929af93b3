"""One answer as a stream of events: greedy or sampled, with stop texts, cancelled at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from speech_adapter.engine import EngineOutput, LlamaEngine, RunOptions
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.sampling import Chooser, Sampling
from speech_adapter.sequence import InputSequence
from speech_adapter.stopping import StopRules, stop_reason
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import InputError
from speech_core.events import TokenEvent


class TextStream:
    """Token ids to the text each adds; a character that comes in several tokens appears with its last."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._tokenizer = tokenizer
        self._waiting: list[int] = []  # tokens since the last whole character
        self._before: list[int] = []  # a few tokens before, since some tokenizers treat a first token apart

    def push(self, token_id: int) -> str:
        """The text that this token completes."""
        self._waiting.append(token_id)
        known = self._tokenizer.decode(self._before)
        text = self._tokenizer.decode(self._before + self._waiting)
        if text.endswith("\ufffd"):
            return ""
        self._before, self._waiting = (self._before + self._waiting)[-4:], []
        return text[len(known) :]

    def flush(self) -> str:
        """What is left of an unfinished character, as U+FFFD."""
        known = self._tokenizer.decode(self._before)
        text = self._tokenizer.decode(self._before + self._waiting)
        self._waiting = []
        return text[len(known) :]


class StopTexts:
    """Holds back events whose text may open a stop text; ends the answer in front of one.

    A stream (push, flush): the events given out never contain a stop text or anything behind it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        if "" in texts:
            raise InputError("a stop text is empty: leave it out")
        self._texts = tuple(texts)
        self._held: list[TokenEvent] = []
        self.found = False

    def push(self, event: TokenEvent) -> list[TokenEvent]:
        """Events that are now final."""
        if self.found or not self._texts:
            return [] if self.found else [event]
        self._held.append(event)
        text = "".join(held.text for held in self._held)
        places = [place for stop in self._texts if (place := text.find(stop)) >= 0]
        if places:
            self.found = True
            return self._release(min(places), cut=True)
        return self._release(len(text) - self._open_characters(text), cut=False)

    def flush(self) -> list[TokenEvent]:
        """What was held back for nothing."""
        held, self._held = self._held, []
        return [] if self.found else held

    def _open_characters(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop text."""
        longest = min(len(text), max(len(stop) for stop in self._texts) - 1)
        for count in range(longest, 0, -1):
            if any(stop.startswith(text[-count:]) for stop in self._texts):
                return count
        return 0

    def _release(self, characters: int, cut: bool) -> list[TokenEvent]:
        """Events within the first so many characters; with `cut` also the beginning of the one across."""
        released: list[TokenEvent] = []
        while self._held and len(self._held[0].text) <= characters:
            if cut and characters == 0:
                break
            event = self._held.pop(0)
            characters -= len(event.text)
            released.append(event)
        if cut and characters and self._held:
            released.append(replace(self._held[0], text=self._held[0].text[:characters]))
        return released


@dataclass(frozen=True)
class StreamOptions:
    """How one answer is made."""

    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # texts that end the answer and do not belong to it
    embeddings: bool = False  # each event carries the token's middle-layer output, known one pass later


class AnswerStream(Iterator[TokenEvent]):
    """The answer to one prompt, an event for each token as soon as it is known.

    reason: why it ended: "end" (end-of-turn token), "stop" (a stop text), "loop", "length", "cancelled"; None
    while it goes on. token_ids, text: of the events given out.
    """

    def __init__(
        self,
        engine: LlamaEngine,
        tokenizer: ChatTokenizer,
        prompt: InputSequence,
        rules: StopRules,
        options: StreamOptions | None = None,
        prefix: KeyValueCache | None = None,
    ) -> None:
        """prefix: cache of one session that the prompt goes on from. Nothing runs before the first event."""
        places = len(prompt.embeds) + (int(prefix.lengths[0]) if prefix is not None else 0)
        if places >= engine.max_positions:
            raise InputError(
                f"the conversation fills {places} positions, with its answer this Llama takes "
                f"{engine.max_positions}: shorten it"
            )
        self._engine, self._rules, self._options = engine, rules, options or StreamOptions()
        self._prompt, self._prefix = prompt, prefix
        self._room = min(rules.max_tokens, engine.max_positions - places)
        self._text = TextStream(tokenizer)
        self._cancelled = threading.Event()
        self._events = self._run()
        self.reason: str | None = None
        self.token_ids: list[int] = []
        self.text = ""

    def __next__(self) -> TokenEvent:
        if self._cancelled.is_set():
            self.reason = self.reason or "cancelled"
            raise StopIteration
        event = next(self._events)
        self.token_ids.append(event.token_id)
        self.text += event.text
        return event

    def cancel(self) -> None:
        """End the answer before the next event; from any thread."""
        self._cancelled.set()

    def _run(self) -> Iterator[TokenEvent]:
        stops = StopTexts(self._options.stop)
        for event in self._tokens():
            yield from stops.push(event)
            if stops.found:
                self.reason = "stop"
                return
        yield from stops.flush()

    def _tokens(self) -> Iterator[TokenEvent]:
        """Tokens up to the end of the answer, and its reason."""
        chooser, said = Chooser(self._options.sampling), list[int]()
        output = self._pass(self._prompt.embeds[None], self._prefix) if self._room else None
        while output is not None and len(said) < self._room:
            token_id, log_prob = self._choice(output, chooser)
            said.append(token_id)
            reason = stop_reason(said, self._rules)
            if reason == "end":
                self.reason = reason
                return
            if self._options.embeddings or (reason is None and len(said) < self._room):
                output = self._pass(torch.tensor([[token_id]]), output.cache)
            embedding = output.hidden[0, -1].clone() if output.hidden is not None else None
            yield TokenEvent(token_id, self._text.push(token_id), embedding, log_prob)
            if reason is not None:
                self.reason = reason
                return
        self.reason = "length"

    @torch.inference_mode()
    def _pass(self, inputs: torch.Tensor, cache: KeyValueCache | None) -> EngineOutput:
        options = RunOptions(choices=self._options.sampling.greedy, hidden=self._options.embeddings)
        return self._engine.run(inputs, cache=cache, options=options)

    def _choice(self, output: EngineOutput, chooser: Chooser) -> tuple[int, float]:
        if output.choices is not None:
            return int(output.choices.token_ids[0, -1]), float(output.choices.log_probs[0, -1])
        return chooser.choose(output.logits[0, -1])
