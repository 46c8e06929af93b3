"""Speech to text: encoder, adapter, CTC draft, and the Llama that has the last word.

The CTC head reads the whole segment at once; the Llama, told to repeat, checks that draft in a pass or a
few (generation.py). What comes out is the Llama's greedy answer. A segment in which the CTC head hears
nothing is empty and never reaches the Llama, so silence cannot be turned into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speech_adapter.adapter import SpeechAdapter
from speech_adapter.ctc import CtcHead, CtcHypothesis
from speech_adapter.engine import LlamaEngine, RunOptions
from speech_adapter.generation import Drafting, decode
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.prompts import Speech, recognition_turns, render
from speech_adapter.sequence import InputSequence, build_sequence
from speech_adapter.stopping import StopRules, speech_token_limit
from speech_adapter.token_times import Span, peak_spans, token_spans
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
class _Heard:
    """One segment after encoder, adapter and CTC head."""

    draft: CtcHypothesis
    speech: Tensor  # (positions, d_llama): what goes to the Llama
    duration_s: float
    no_speech_prob: float


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
        self._prompts: dict[str, tuple[KeyValueCache, list[int]]] = {}
        self._texts: dict[int, str] = {}  # of single tokens

    @property
    def position_s(self) -> float:
        """Seconds of audio behind one output of the adapter."""
        return self._encoder.config.encoding_s * self._adapter.config.stride

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
        num_mels = self._encoder.config.features.num_mels
        for segment in features:
            if segment.dim() != 2 or segment.shape[1] != num_mels:
                raise InputError(f"features have shape {tuple(segment.shape)}: give (frames, {num_mels})")
        results: list[Recognition | None] = [None] * len(features)
        for rows in _batches([len(segment) for segment in features], self._options.batch_frames):
            heard = self._hear([features[row] for row in rows])
            said = (
                self._ask_llama(heard, language) if mode == "llama" else [self._draft(one) for one in heard]
            )
            for row, result in zip(rows, said, strict=True):
                results[row] = result
        return [result for result in results if result is not None]

    def _hear(self, segments: list[Tensor]) -> list[_Heard]:
        """Encode segments as one padded batch and read the CTC head."""
        device = self._adapter.boundaries.device
        lengths = torch.tensor([len(segment) for segment in segments], device=device)
        padded = pad_sequence([segment.float() for segment in segments], batch_first=True).to(device)
        if padded.shape[1] == 0:
            return [self._nothing() for _ in segments]
        embeds, positions = self._adapter(*self._encoder(padded, lengths))
        log_probs = self._ctc.log_probs(embeds)
        drafts = self._ctc.greedy(log_probs, positions)
        silence = _no_speech_probs(log_probs, positions)
        if self._adapter.config.compression == "ctc":
            embeds, positions = self._ctc.compress(log_probs, positions)
        rate = self._encoder.config.features.frame_rate_hz
        return [
            _Heard(draft, embeds[row, : int(positions[row])], len(segments[row]) / rate, silence[row])
            for row, draft in enumerate(drafts)
        ]

    def _nothing(self) -> _Heard:
        return _Heard(CtcHypothesis([], [], [], []), self._adapter.boundaries[:0], 0.0, 1.0)

    def _draft(self, heard: _Heard) -> Recognition:
        return self._result(heard, heard.draft.token_ids, heard.draft.log_probs)

    def _ask_llama(self, heard: list[_Heard], language: str) -> list[Recognition]:
        """The Llama's answer to each segment that has a draft."""
        results = [self._draft(one) for one in heard]
        spoken = [row for row, one in enumerate(heard) if one.draft.token_ids]
        prefix, suffix = self._prompt(language)
        longest = [len(heard[row].speech) + len(heard[row].draft.token_ids) + len(suffix) for row in spoken]
        for chosen in _batches(longest, self._options.batch_positions):
            rows = [spoken[number] for number in chosen]
            answers = decode(
                self._engine,
                [self._sequence(heard[row], suffix) for row in rows],
                [self._rules(heard[row]) for row in rows],
                Drafting([heard[row].draft.token_ids for row in rows], self._token_text),
                prefix,
            )
            for row, answer in zip(rows, answers, strict=True):
                told = self._result(heard[row], answer.token_ids, answer.log_probs)
                if likeness(told.text, results[row].text) >= self._options.agreement:
                    results[row] = told
        return results

    def _prompt(self, language: str) -> tuple[KeyValueCache, list[int]]:
        """Cache of the prompt before the speech, run once for each language, and the token ids behind it."""
        if language not in self._prompts:
            before, _, after = render(
                self._tokenizer, recognition_turns(Speech(self._adapter.boundaries[:0]), language)
            )
            if not (isinstance(before, list) and isinstance(after, list)):
                raise InputError("the chat template of this Llama puts nothing around the user's turn")
            output = self._engine.run(torch.tensor([before]), options=RunOptions(num_logits=0))
            self._prompts[language] = (output.cache, after)
        return self._prompts[language]

    def _sequence(self, heard: _Heard, suffix: list[int]) -> InputSequence:
        return build_sequence([Speech(heard.speech), suffix], self._engine.embed, self._adapter.boundaries)

    def _rules(self, heard: _Heard) -> StopRules:
        limit = speech_token_limit(heard.duration_s)
        if self._options.agreement > 0:  # an answer much longer than the draft would not be taken
            limit = min(limit, 2 * len(heard.draft.token_ids) + 8)
        return StopRules(self._tokenizer.end_ids, limit)

    def _token_text(self, token_id: int) -> str:
        if token_id not in self._texts:
            self._texts[token_id] = self._tokenizer.decode([token_id])
        return self._texts[token_id]

    def _result(self, heard: _Heard, token_ids: list[int], log_probs: list[float]) -> Recognition:
        peaks = peak_spans(heard.draft.starts, heard.draft.ends, self.position_s)
        return Recognition(
            text=self._tokenizer.decode(token_ids).strip(),
            token_ids=token_ids,
            token_log_probs=log_probs,
            token_times_s=token_spans(token_ids, heard.draft.token_ids, peaks, heard.duration_s),
            no_speech_prob=heard.no_speech_prob,
            avg_logprob=sum(log_probs) / len(log_probs) if log_probs else 0.0,
        )


def likeness(one: str, other: str) -> float:
    """Share of the words of two texts that they have in common and in order, 0 to 1; case does not count."""
    first, second = one.lower().split(), other.lower().split()
    if not first and not second:
        return 1.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _batches(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Indices in batches of like length, each at most `limit` when padded, or a single item."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batch and lengths[index] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _no_speech_probs(log_probs: Tensor, positions: Tensor) -> list[float]:
    """1 - mean probability of any token at the few positions of each item where it is highest."""
    spoken = -torch.expm1(log_probs[:, :, 0])  # (batch, positions)
    return [
        1.0 - float(row[:count].topk(min(_SURE_POSITIONS, count)).values.mean()) if count else 1.0
        for row, count in zip(spoken, positions.tolist(), strict=True)
    ]
