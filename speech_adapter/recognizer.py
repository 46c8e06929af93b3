"""Speech to text, in its own language or another: encoder, adapter, CTC draft, and the Llama that answers.

The CTC head reads the whole segment at once. Of the texts found the Llama helps to choose the draft
(rescoring.py), and then, told to repeat, checks it in a pass or a few (generation.py). What comes out is the
Llama's greedy answer. A segment in which the CTC head hears nothing is empty and never reaches the Llama, so
silence cannot be turned into words. A translation has no draft: the Llama is told to translate and decodes
step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speech_adapter.adapter import SpeechAdapter
from speech_adapter.agreement import likeness, within_reach
from speech_adapter.beam_search import BeamOptions
from speech_adapter.ctc import CtcHead, CtcHypothesis
from speech_adapter.drafting import Drafter, LlamaText
from speech_adapter.engine import LlamaEngine, RunOptions
from speech_adapter.generation import Drafting, decode
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.language_model import LanguageModel
from speech_adapter.prompts import Speech, Turn, recognition_turns, render, translation_turns
from speech_adapter.rescoring import LlamaReader, RescoringOptions
from speech_adapter.sequence import InputSequence, batches_of_like_length, build_sequence
from speech_adapter.stopping import StopRules, speech_token_limit
from speech_adapter.token_times import Span, even_spans, peak_spans, token_spans
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import InputError
from speech_encoder.conformer import SpeechEncoder

MODES = ("llama", "ctc")
_SURE_POSITIONS = 3  # no_speech_prob looks at so many positions that sound most like speech


@dataclass(frozen=True)
class RecognizerOptions:
    """Bounds on memory, on which results do not depend, and how far the Llama may leave the draft."""

    batch_frames: int = 24_000  # mel frames encoded at once, padding included
    batch_positions: int = 4_096  # positions the Llama runs at once, padding included
    agreement: float = 0.0  # likeness of answer and draft, 0 to 1, below which the draft is kept; 0: never
    language_model: LanguageModel | None = None  # for the draft; without it the draft is greedy
    beam: BeamOptions = field(default_factory=BeamOptions)
    rescoring: RescoringOptions = field(default_factory=RescoringOptions)  # of the beam's texts, by the Llama


@dataclass(frozen=True)
class Recognition:
    """What was heard in one segment.

    token_times_s: start and end of each token from the start of the segment. Log-probabilities are natural.
    """

    text: str
    token_ids: list[int]
    token_log_probs: list[float]
    token_times_s: list[Span]
    no_speech_prob: float  # 1 - mean probability of a token at the positions most like speech
    avg_logprob: float  # mean over tokens, 0 if there is none


@dataclass(frozen=True)
class Heard:
    """One segment after encoder, adapter and CTC head."""

    draft: CtcHypothesis
    speech: Tensor  # (positions, d_llama): what goes to the Llama
    duration_s: float
    no_speech_prob: float


@dataclass(frozen=True)
class _Task:
    """What the Llama is asked to do with speech."""

    turns: Callable[[Speech, str], list[Turn]]  # speech and language to a conversation
    drafted: bool  # whether the CTC result is a draft of the answer, and the rail around it


_TRANSCRIBE = _Task(recognition_turns, drafted=True)
_TRANSLATE = _Task(translation_turns, drafted=False)


class SpeechRecognizer:
    """Transcribes batches of segments; holds weights by reference and no state of any audio."""

    def __init__(
        self,
        encoder: SpeechEncoder,
        adapter: SpeechAdapter,
        ctc: CtcHead,
        engine: LlamaEngine,
        tokenizer: ChatTokenizer,
        options: RecognizerOptions | None = None,
    ) -> None:
        self._encoder, self._adapter, self._ctc = encoder.eval(), adapter.eval(), ctc.eval()
        self._engine, self._tokenizer = engine, tokenizer
        self._options = options or RecognizerOptions()
        chosen = self._options
        text = LlamaText(tokenizer, engine.embed)
        self._drafter = Drafter(ctc, text, chosen.language_model, chosen.beam, chosen.rescoring)
        self._prompts: dict[tuple[_Task, str], tuple[KeyValueCache, list[int]]] = {}
        self._readers: dict[str, LlamaReader] = {}
        self._texts: dict[int, str] = {}  # of single tokens

    @property
    def position_s(self) -> float:
        """Seconds of audio behind one output of the adapter."""
        return self._encoder.config.encoding_s * self._adapter.config.stride

    @property
    def engine(self) -> LlamaEngine:
        """The Llama that answers."""
        return self._engine

    @property
    def boundaries(self) -> Tensor:
        """The trained embeddings before and after speech, (2, d_llama)."""
        return self._adapter.boundaries

    @torch.inference_mode()
    def listen(self, features: list[Tensor]) -> list[Heard]:
        """What the Llama is given of each segment, in order, and the CTC result; the Llama does not run.

        features: as in `transcribe`.
        """
        results: dict[int, Heard] = {}
        for rows in self._encoder_batches(features):
            results.update(zip(rows, self._hear([features[row] for row in rows]), strict=True))
        return [results[row] for row in range(len(features))]

    def reader(self, language: str) -> LlamaReader | None:
        """What tells how likely a text is as an answer; None where there is nothing to choose from."""
        if self._options.language_model is None or self._options.rescoring.most_texts < 2:
            return None
        if language not in self._readers:
            before, after = self._prompt(language, _TRANSCRIBE)
            opening = self._engine.run(torch.tensor([after]), cache=before)
            self._readers[language] = LlamaReader(self._engine, self._tokenizer, opening)
        return self._readers[language]

    @torch.inference_mode()
    def translate(self, features: list[Tensor], language: str) -> list[Recognition]:
        """What each segment means in `language` (code or English name), by the Llama from the speech itself.

        features: as in `transcribe`. Times of tokens are spread evenly over the speech of the segment.
        """
        results: dict[int, Recognition] = {}
        for rows in self._encoder_batches(features):
            heard = self._hear([features[row] for row in rows])
            results.update(zip(rows, self._ask_llama(heard, language, _TRANSLATE), strict=True))
        return [results[row] for row in range(len(features))]

    @torch.inference_mode()
    def transcribe(
        self, features: list[Tensor], language: str = "English", mode: str = "llama"
    ) -> list[Recognition]:
        """One result for each segment, in order.

        features: unnormalised log-mel (frames, mels) of each segment, at most 60 s. mode: "llama" or "ctc"
        (the draft as it is). Raises InputError for an unknown mode or language, or features of another
        shape.
        """
        if mode not in MODES:
            raise InputError(f"mode is {mode!r}: use one of {', '.join(MODES)}")
        results: dict[int, Recognition] = {}
        for rows in self._encoder_batches(features):
            segments = [features[row] for row in rows]
            heard = self._hear(segments, self.reader(language) if mode == "llama" else None)
            if mode == "llama":
                said = self._ask_llama(heard, language, _TRANSCRIBE)
            else:
                said = [self._draft(one) for one in heard]
            results.update(zip(rows, said, strict=True))
        return [results[row] for row in range(len(features))]

    def _encoder_batches(self, features: list[Tensor]) -> Iterator[list[int]]:
        """Numbers of the segments that are encoded together. Raises InputError for another shape."""
        num_mels = self._encoder.config.features.num_mels
        for segment in features:
            if segment.dim() != 2 or segment.shape[1] != num_mels:
                raise InputError(f"features have shape {tuple(segment.shape)}: give (frames, {num_mels})")
        yield from batches_of_like_length([len(segment) for segment in features], self._options.batch_frames)

    def _hear(self, segments: list[Tensor], reader: LlamaReader | None = None) -> list[Heard]:
        """Encode segments as one padded batch and read the CTC head; a reader helps to choose the drafts."""
        device = self._adapter.boundaries.device
        lengths = torch.tensor([len(segment) for segment in segments], device=device)
        padded = pad_sequence([segment.float() for segment in segments], batch_first=True).to(device)
        if padded.shape[1] == 0:
            return [self._nothing() for _ in segments]
        embeds, positions = self._adapter(*self._encoder(padded, lengths))
        log_probs = self._ctc.log_probs(embeds)
        silence = _no_speech_probs(log_probs, positions)
        rate = self._encoder.config.features.frame_rate_hz
        return [
            Heard(
                draft.heard,
                draft.compressed.to(embeds.dtype) if self._compressed else embeds[row, : int(positions[row])],
                len(segments[row]) / rate,
                silence[row],
            )
            for row, draft in enumerate(self._drafter(log_probs, positions, reader))
        ]

    @property
    def _compressed(self) -> bool:
        return self._adapter.config.compression == "ctc"

    def _nothing(self) -> Heard:
        return Heard(CtcHypothesis([], [], [], []), self._adapter.boundaries[:0], 0.0, 1.0)

    def _draft(self, heard: Heard) -> Recognition:
        return self._result(heard, heard.draft.token_ids, heard.draft.log_probs)

    def _ask_llama(self, heard: list[Heard], language: str, task: _Task) -> list[Recognition]:
        """The Llama's answer to each segment that has a draft; where nothing was heard it is not asked."""
        results = [self._draft(one) for one in heard]
        spoken = [row for row, one in enumerate(heard) if one.draft.token_ids]
        prefix, suffix = self._prompt(language, task)
        longest = [len(heard[row].speech) + len(heard[row].draft.token_ids) + len(suffix) for row in spoken]
        for chosen in batches_of_like_length(longest, self._options.batch_positions):
            rows = [spoken[number] for number in chosen]
            answers = decode(
                self._engine,
                [self._sequence(heard[row], suffix) for row in rows],
                [self._rules(heard[row], task) for row in rows],
                Drafting([heard[row].draft.token_ids for row in rows], self._token_text)
                if task.drafted
                else None,
                prefix,
            )
            for row, answer in zip(rows, answers, strict=True):
                told = self._result(heard[row], answer.token_ids, answer.log_probs, task)
                if not task.drafted or likeness(told.text, results[row].text) >= self._options.agreement:
                    results[row] = told
        return results

    def _prompt(self, language: str, task: _Task) -> tuple[KeyValueCache, list[int]]:
        """Cache of the prompt before the speech, run once for each language, and the token ids behind it."""
        if (task, language) not in self._prompts:
            before, _, after = render(
                self._tokenizer, task.turns(Speech(self._adapter.boundaries[:0]), language)
            )
            if not (isinstance(before, list) and isinstance(after, list)):
                raise InputError("the chat template of this Llama puts nothing around the user's turn")
            output = self._engine.run(torch.tensor([before]), options=RunOptions(num_logits=0))
            self._prompts[task, language] = (output.cache, after)
        return self._prompts[task, language]

    def _sequence(self, heard: Heard, suffix: list[int]) -> InputSequence:
        return build_sequence([Speech(heard.speech), suffix], self._engine.embed, self._adapter.boundaries)

    def _rules(self, heard: Heard, task: _Task) -> StopRules:
        limit = speech_token_limit(heard.duration_s)
        reach = None
        if task.drafted and self._options.agreement > 0:  # an answer unlike the draft would not be taken
            limit = min(limit, 2 * len(heard.draft.token_ids) + 8)
            draft = self._tokenizer.decode(heard.draft.token_ids)
            reach = within_reach(draft, self._options.agreement, self._tokenizer.decode)
        return StopRules(self._tokenizer.end_ids, limit, within_reach=reach)

    def _token_text(self, token_id: int) -> str:
        if token_id not in self._texts:
            self._texts[token_id] = self._tokenizer.decode([token_id])
        return self._texts[token_id]

    def _result(
        self, heard: Heard, token_ids: list[int], log_probs: list[float], task: _Task = _TRANSCRIBE
    ) -> Recognition:
        peaks = peak_spans(heard.draft.starts, heard.draft.ends, self.position_s)
        if task.drafted:
            times_s = token_spans(token_ids, heard.draft.token_ids, peaks, heard.duration_s)
        else:
            times_s = even_spans(len(token_ids), peaks)
        return Recognition(
            text=self._tokenizer.decode(token_ids).strip(),
            token_ids=token_ids,
            token_log_probs=log_probs,
            token_times_s=times_s,
            no_speech_prob=heard.no_speech_prob,
            avg_logprob=sum(log_probs) / len(log_probs) if log_probs else 0.0,
        )


def _no_speech_probs(log_probs: Tensor, positions: Tensor) -> list[float]:
    """1 - mean probability of any token at the few positions of each item where it is highest."""
    spoken = -torch.expm1(log_probs[:, :, 0])  # (batch, positions)
    return [
        1.0 - float(row[:count].topk(min(_SURE_POSITIONS, count)).values.mean()) if count else 1.0
        for row, count in zip(spoken, positions.tolist(), strict=True)
    ]
