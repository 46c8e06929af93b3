"""The user's side of a session: sound to turns, turns to items, items to words, words to answers.

While a pause is being confirmed the words are recognized and an answer is prepared; if speech goes on, both
are thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llama_speech.segments import AudioBuffer
from llama_speech.service.conversation.answer import Answer
from llama_speech.service.conversation.answering import Answers, Request
from llama_speech.service.conversation.captions import Captions
from llama_speech.service.conversation.detection import PREFIX_MS, detector_config, prefix_ms, wait_ms
from llama_speech.service.conversation.interruption import CHECK_PREFIX_MS, Interruption
from llama_speech.service.conversation.items import Conversation, Item, Part
from llama_speech.service.conversation.outbox import JudgeTurn, Outbox, Recognize
from llama_speech.service.conversation.settings import SemanticVad, Settings
from llama_speech.service.conversation.transcripts import Transcripts
from llama_speech.service.conversation.turns import TurnConfig, TurnDetector, TurnEvent, Window
from llama_speech.service.endpoints.wire_audio import MODEL_RATE_HZ
from speech_core.errors import ProtocolError
from speech_core.pcm import Audio, float_to_pcm16

SHORTEST_COMMIT_MS = 100
LONGEST_BUFFER_S = 300


@dataclass
class _Draft:
    """What is made of a turn while its end is not certain yet, or its item is not known yet."""

    job: int
    captions: Captions
    text: str | None = None
    speech: tuple[Any, ...] = ()
    answer: Answer | None = None
    item_id: str | None = None  # once the turn is committed


class Listener:
    """See the module. `settings` are replaced by `configure`."""

    def __init__(
        self,
        outbox: Outbox,
        conversation: Conversation,
        answers: Answers,
        config: TurnConfig,
        settings: Settings,
    ) -> None:
        self._outbox, self._conversation, self._answers = outbox, conversation, answers
        self._transcripts = Transcripts(outbox)
        self._base = config
        self._detector = TurnDetector(config)
        self._buffer = AudioBuffer()
        self._draft: _Draft | None = None  # of the pause that is going on
        self._unheard: dict[int, _Draft] = {}  # committed, waiting for their words, by job
        self._captions = Captions()
        self._captioning: int | None = None  # job of what was said so far
        self._interruption = Interruption(answers)
        self._turn_item = ""
        self._turn_start = 0
        self._auto: str | None = None  # item that is answered when its words are known
        self.speech_lag_s = 0.0  # from the first speech of a turn to its start being told
        self.configure(settings)

    @property
    def in_turn(self) -> bool:
        """Whether the user is speaking, or was a moment ago."""
        return self._detector.in_turn

    @property
    def words_known(self) -> bool:
        """Whether nothing the user said is still being recognized."""
        return not self._unheard

    @property
    def heard_ms(self) -> int:
        """All the sound that came so far."""
        return self._buffer.end * 1000 // MODEL_RATE_HZ

    def commit_silence(self, item_id: str) -> None:
        """Nobody spoke for long: an empty turn, which is answered all the same."""
        before = self._conversation.add(Item(item_id, "message", "user", parts=[Part("input_audio", "")]))
        self._outbox.emit("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)
        self._announce(item_id, before)
        if self._answered and not self._answers.busy:
            self._answers.begin(Request(self._settings), self.words_known)

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next window on."""
        self._settings = settings
        self._detection = settings.audio.input.turn_detection
        if self._detection is None:
            self._abandon()
            self._detector.configure(self._base)
        else:
            self._detector.configure(detector_config(self._base, self._detection))

    def hear(self, windows: Sequence[Window]) -> None:
        """Sound of the user, in order.

        Raises ProtocolError when a client without detection never commits.
        """
        for window in windows:
            self._buffer.append(window.audio)
            if self._detection is None:
                continue
            for event in self._detector.push(window, self._answers.audible):
                self._on(event)
        self._caption()
        self._bound()

    def commit(self, rest: Audio) -> None:
        """The client ends the turn. Raises ProtocolError if there is too little sound."""
        self._buffer.append(rest)
        start = self._turn_start if self.in_turn else self._buffer.start
        if (self._buffer.end - start) * 1000 < SHORTEST_COMMIT_MS * MODEL_RATE_HZ:
            raise ProtocolError(
                f"the input audio buffer holds less than {SHORTEST_COMMIT_MS} ms of sound",
                "input_audio_buffer_commit_empty",
            )
        item_id = self._turn_item if self.in_turn else self._outbox.new_id("item")
        self._drop_draft()
        self._detector.reset()
        self.let_go()
        self._commit(item_id, start, self._buffer.end)

    def clear(self) -> None:
        """The client takes back what was not committed."""
        self._abandon()
        self._buffer.drop_before(self._buffer.end)
        self._outbox.emit("input_audio_buffer.cleared")

    def add_spoken(self, item: Item, audio: Audio) -> None:
        """An item the client made of sound: its words are needed."""
        self._recognize_item(item.id, audio)

    def recognized(self, job: int, text: str, error: str | None = None, speech: tuple[Any, ...] = ()) -> None:
        """Words of the engine, or why there are none."""
        if job == self._captioning:
            self._captioned(text)
            return
        if job == self._interruption.job:
            for event in self._detector.confirm() if self._interruption.answered(text) else ():
                self._on(event)
            return
        draft = self._unheard.pop(job, None)
        if draft is None and self._draft is not None and self._draft.job == job and error is None:
            draft = self._draft
        if draft is None:
            return
        draft.text, draft.speech = draft.captions.finish(text), speech
        if draft.item_id is not None:
            self._told(draft, error)
        else:
            self._think_ahead(draft)

    def _caption(self) -> None:
        """Ask for the words so far, if the client wants to read them and there is news."""
        wanted = self.in_turn and not self._detector.paused and self._captioning is None
        if not wanted or self._settings.audio.input.transcription is None:
            return
        if self._captions.wanted((self._buffer.end - self._turn_start) * 1000 // MODEL_RATE_HZ):
            audio = self._buffer.read(self._turn_start, self._buffer.end)
            self._captioning = self._recognize(audio, partial=True)

    def _captioned(self, text: str) -> None:
        """The words so far; once the turn pauses its own words are waited for."""
        self._captioning = None
        if text and self.in_turn and not self._detector.paused:
            self._transcripts.delta(self._turn_item, self._captions.heard(text))

    def judged(self, job: int, finished: float) -> None:
        """How likely the user has finished: the more likely, the shorter the silence that ends the turn."""
        if self._draft is None or self._draft.job != job or not isinstance(self._detection, SemanticVad):
            return
        self._detector.expect_end_after(wait_ms(self._detection, finished))

    def end_silently(self) -> None:
        """The client sends no sound any more: the turn that is going on ends here."""
        if self.in_turn:
            self._detector.reset()
            self._on(TurnEvent("ended", self._buffer.end))

    def let_go(self) -> None:
        """Nothing more is heard of what held the answer back."""
        self._interruption.let_go()

    def _on(self, event: TurnEvent) -> None:
        if event.kind == "started":
            self._started(event.sample)
        elif event.kind == "paused":
            self._paused()
        elif event.kind == "resumed":
            self._drop_draft()
        elif event.kind == "ended":
            self._ended(event.sample)
        elif event.kind == "check":
            self._look_for_words(event.sample)
        elif self._interrupts and event.kind == "maybe":
            self._interruption.suspected()
        elif self._interrupts:
            self._interruption.let_go()

    @property
    def _interrupts(self) -> bool:
        return self._detection is not None and self._detection.interrupt_response

    def _look_for_words(self, sample: int) -> None:
        """Somebody speaks into an answer, from a sample on: words interrupt it."""
        if self._interruption.job is None:
            start = max(sample - CHECK_PREFIX_MS * MODEL_RATE_HZ // 1000, self._buffer.start)
            self._interruption.job = self._recognize(
                self._buffer.read(start, self._buffer.end), partial=True, urgent=True
            )

    def _started(self, sample: int) -> None:
        self.speech_lag_s = (self._buffer.end - sample) / MODEL_RATE_HZ
        prefix = prefix_ms(self._detection) * MODEL_RATE_HZ // 1000
        self._turn_start = max(sample - prefix, self._buffer.start)
        self._turn_item = self._outbox.new_id("item")
        self._captions, self._captioning = Captions(), None
        self._auto = None  # the user goes on: one answer for all of it
        start_ms = self._turn_start * 1000 // MODEL_RATE_HZ
        self._outbox.emit(
            "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._turn_item
        )
        if self._interrupts:
            self._answers.interrupt()
        else:
            self.let_go()
        if self._answered:
            self._answers.foresee(self._settings)

    def _paused(self) -> None:
        wanted = self._answered or self._settings.audio.input.transcription is not None
        if not wanted and not isinstance(self._detection, SemanticVad):
            return
        audio = self._buffer.read(self._turn_start, self._buffer.end)
        self._draft = _Draft(self._recognize(audio), self._captions)

    @property
    def _answered(self) -> bool:
        return (
            self._settings.type == "realtime"
            and self._detection is not None
            and self._detection.create_response
        )

    def _think_ahead(self, draft: _Draft) -> None:
        """The words of a pause are known: is the turn over, and what could be answered?"""
        text = draft.text or ""
        if isinstance(self._detection, SemanticVad):
            self._outbox.command(JudgeTurn(draft.job, text))
        if text and self._answered and not self._answers.busy and self.words_known:
            draft.answer = self._answers.prepare(self._settings, text, draft.speech)

    def _ended(self, sample: int) -> None:
        end_ms = sample * 1000 // MODEL_RATE_HZ
        self._outbox.emit("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=self._turn_item)
        self._commit(self._turn_item, self._turn_start, sample)

    def _commit(self, item_id: str, start: int, end: int) -> None:
        """A turn becomes an item; its words follow."""
        audio = self._buffer.read(start, end)
        self._buffer.drop_before(end)
        self._turn_start = end
        part = Part("input_audio", None, float_to_pcm16(audio), audio.size, MODEL_RATE_HZ)
        before = self._conversation.add(Item(item_id, "message", "user", parts=[part]))
        self._outbox.emit("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)
        self._announce(item_id, before)
        self._conversation.limit_sound()
        draft, self._draft = self._draft, None
        self._auto = item_id if self._answered else None
        if draft is None:
            if self._wanted:
                self._recognize_item(item_id, audio, self._captions)
            self._captions = Captions()
            return
        self._captions = Captions()
        draft.item_id = item_id
        if draft.text is None:
            self._unheard[draft.job] = draft
        else:
            self._told(draft, None)

    @property
    def _wanted(self) -> bool:
        """Whether the words of a turn are needed: always in a conversation, since answers come from them."""
        return self._settings.type == "realtime" or self._settings.audio.input.transcription is not None

    def _announce(self, item_id: str, before: str | None) -> None:
        item = self._conversation.get(item_id)
        if item is not None:
            self._outbox.emit("conversation.item.added", previous_item_id=before, item=item.wire())
            self._outbox.emit("conversation.item.done", previous_item_id=before, item=item.wire())

    def _recognize_item(self, item_id: str, audio: Audio, captions: Captions | None = None) -> None:
        job = self._recognize(audio)
        self._unheard[job] = _Draft(job, captions or Captions(), item_id=item_id)

    def _recognize(self, audio: Audio, partial: bool = False, urgent: bool = False) -> int:
        job = self._outbox.number()
        transcription = self._settings.audio.input.transcription
        language = transcription.language if transcription else None
        self._outbox.command(Recognize(job, audio, language, partial, urgent))
        return job

    def _told(self, draft: _Draft, error: str | None) -> None:
        """The words of an item are known: tell the client, and answer."""
        item = self._conversation.get(draft.item_id or "")
        if item is not None:
            self._transcribed(item, draft, error)
        wanted = self._auto is not None and self._auto == draft.item_id
        if wanted:
            self._auto = None
        if draft.answer is not None and wanted and not self._answers.busy and item is not None:
            self._answers.adopt(draft.answer)
        else:
            self._discard(draft)
            if wanted and draft.text and item is not None and not self._answers.busy:
                self._answers.begin(Request(self._settings), self.words_known)
        if self.words_known:
            self._answers.words_known()

    def _transcribed(self, item: Item, draft: _Draft, error: str | None) -> None:
        part = next(part for part in item.parts if part.kind == "input_audio")
        part.text = draft.text or ""
        part.speech = draft.speech
        if self._settings.audio.input.transcription is None:
            return
        if error is not None:
            self._transcripts.failed(item.id, error)
        else:
            self._transcripts.completed(item.id, part, draft.captions.told)

    def _drop_draft(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            self._discard(draft)

    def _discard(self, draft: _Draft) -> None:
        if draft.answer is not None:
            self._answers.cancel(draft.answer, "turn_detected")
            draft.answer = None

    def _abandon(self) -> None:
        self._drop_draft()
        if self._captions.told:  # what was begun has to end
            self._transcripts.failed(self._turn_item, "the turn was discarded", ours=False)
        self._captions = Captions()
        self._detector.reset()
        self.let_go()

    def _bound(self) -> None:
        """Keep only what may still be needed."""
        if self._detection is not None:
            if not self.in_turn:
                keep_ms = max(PREFIX_MS, self._base.interrupt_ms) + prefix_ms(self._detection)
                self._buffer.drop_before(self._buffer.end - keep_ms * MODEL_RATE_HZ // 1000)
            return
        if self._buffer.end - self._buffer.start > LONGEST_BUFFER_S * MODEL_RATE_HZ:
            self._buffer.drop_before(self._buffer.end)
            raise ProtocolError(
                f"more than {LONGEST_BUFFER_S} s of sound were not committed: they are dropped",
                "invalid_value",
                "audio",
            )


def silence(duration_ms: int) -> Audio:
    """Nothing, at 16 kHz."""
    return np.zeros(duration_ms * MODEL_RATE_HZ // 1000, dtype=np.float32)
