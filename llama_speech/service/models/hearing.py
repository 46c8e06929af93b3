"""Turns to words, and to the embeddings the Llama takes in their place; those of one language together."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from llama_speech.languages import require_language
from llama_speech.loading import LoadedModel
from llama_speech.segments import SegmentConfig, iter_pieces
from llama_speech.service.conversation.outbox import Recognize
from llama_speech.service.endpoints.wire_audio import MODEL_RATE_HZ
from llama_speech.service.models.prompting import HeardSpeech
from llama_speech.service.operation.metrics import Metrics
from speech_core.errors import ConfigError, SpeechError
from speech_core.pcm import Audio
from speech_encoder.features import log_mel

_log = logging.getLogger(__name__)
_LONG_S = 30.0  # longer turns are cut at quiet places
MODES = ("ctc", "llama")


class Heard(Protocol):
    """Is told the words of a turn, or why there are none; speech: the turn as the Llama takes it."""

    def __call__(self, text: str, error: str | None, speech: tuple[HeardSpeech, ...] = ()) -> None:
        """Called on the thread of the models."""


Turn = tuple[Recognize, Heard]
Words = tuple[str, tuple[HeardSpeech, ...]]


class TurnHearing:
    """Recognizes batches of turns. To be used from one thread.

    mode: "ctc", the draft the Llama is given, or "llama", what the Llama makes of it. What was said so far
    is always recognized by "ctc".
    """

    def __init__(self, model: LoadedModel, languages: tuple[str, ...], mode: str, metrics: Metrics) -> None:
        if mode not in MODES:
            raise ConfigError(f"recognition is {mode!r}: use one of {', '.join(MODES)}")
        self._model, self._languages, self._mode, self._metrics = model, languages, mode, metrics

    def __call__(self, turns: Sequence[Turn], language: str) -> None:
        """Tell the words of each turn; language: of those that name none."""
        groups: dict[tuple[str, bool], list[Turn]] = {}
        for turn in turns:
            turn[0].marks.begin()
            groups.setdefault((turn[0].language or language, turn[0].partial), []).append(turn)
        for (code, partial), group in groups.items():
            results, error = self._guarded(
                lambda code=code, partial=partial, group=group: self._words(  # type: ignore[misc]  # not inferred
                    [command.audio for command, _ in group], code, "ctc" if partial else self._mode
                ),
                len(group),
            )
            for (command, heard), (text, speech) in zip(group, results, strict=True):
                command.marks.finish()
                if not partial:
                    waited_s = (command.marks.done or 0.0) - command.marks.asked
                    self._metrics.observe("recognition_total", waited_s)
                try:
                    heard(text, error, speech)
                except Exception:  # noqa: BLE001 (as below)
                    _log.exception("nobody takes the words of a turn")

    def _guarded(self, work: Callable[[], list[Words]], count: int) -> tuple[list[Words], str | None]:
        """Results, or nothing and what is wrong: one bad turn must not end the thread."""
        nothing: list[Words] = [("", ())] * count
        try:
            with self._metrics.time("recognition"):
                return work(), None
        except SpeechError as fault:
            return nothing, str(fault)
        except Exception:  # noqa: BLE001 (the thread serves all sessions and must go on)
            _log.exception("recognition failed")
            return nothing, "the recognition failed"

    def _words(self, audios: list[Audio], language: str, mode: str) -> list[Words]:
        name = require_language(language, self._languages).name
        features, owners = [], []
        for owner, audio in enumerate(audios):
            for piece in _pieces(audio):
                mel = log_mel(torch.from_numpy(piece), self._model.features)
                if len(mel):
                    features.append(mel)
                    owners.append(owner)
        recognizer, tokenizer = self._model.recognizer, self._model.tokenizer
        heard = recognizer.listen(features)
        if mode == "ctc":
            texts = [tokenizer.decode(one.draft.token_ids).strip() for one in heard]
        else:
            texts = [one.text for one in recognizer.transcribe(features, name)]
        words: list[list[str]] = [[] for _ in audios]
        speech: list[list[HeardSpeech]] = [[] for _ in audios]
        for owner, text, one in zip(owners, texts, heard, strict=True):
            words[owner] += [text] if text else []
            speech[owner] += [HeardSpeech(one.speech)] if text else []
        return [(" ".join(parts), tuple(one)) for parts, one in zip(words, speech, strict=True)]


def _pieces(audio: Audio) -> list[Audio]:
    if audio.size <= _LONG_S * MODEL_RATE_HZ:
        return [audio]
    return [piece.audio for piece in iter_pieces([audio], SegmentConfig(), None)]
