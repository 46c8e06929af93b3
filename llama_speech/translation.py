"""Translating speech: by the Llama from the speech itself, or from a transcript (cascade).

Both use the prompt of arXiv 2407.21783, section 8.2, which names only the language to write. The pipeline
that transcribes does the rest: this file puts another recognizer into it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llama_speech.languages import Language, find_language
from speech_adapter.generation import decode
from speech_adapter.prompts import Turn, language_name, render, translation_prompt
from speech_adapter.sequence import InputSequence, build_sequence
from speech_adapter.stopping import TOKENS_EXTRA, StopRules
from speech_adapter.token_times import even_spans
from speech_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from llama_speech.loading import LoadedModel
    from speech_adapter.recognizer import Recognition

METHODS = ("direct", "cascade")


def target_language(text: str) -> Language:
    """A language translations can be asked for. Raises InputError if the prompts do not know it."""
    language = find_language(text)
    language_name(language.name)
    return language


@dataclass(frozen=True)
class Translator:
    """A recognizer for the pipeline that gives translations; method: direct or cascade.

    source: English name of the language spoken, which only a cascade needs.
    """

    model: "LoadedModel"
    method: str = "direct"
    source: str = "English"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method is {self.method!r}: use one of {', '.join(METHODS)}")

    def transcribe(self, features: "list[Tensor]", language: str, mode: str) -> "list[Recognition]":
        """One translation into `language` for each piece; `mode` is that of the transcripts of a cascade."""
        if self.method == "direct":
            return self.model.recognizer.translate(features, language)
        heard = self.model.recognizer.transcribe(features, self.source, mode)
        return self._translated(heard, language)

    def _translated(self, heard: "list[Recognition]", language: str) -> "list[Recognition]":
        """Transcripts turned into `language`; those without a word stay empty."""
        spoken = [one for one in heard if one.text]
        answers = decode(
            self.model.engine,
            [self._prompt(one.text, language) for one in spoken],
            [self._rules(one) for one in spoken],
        )
        translated = iter(answers)
        results = []
        for one in heard:
            if one.text:
                answer = next(translated)
                one = _replaced(one, answer.token_ids, answer.log_probs, self.model.tokenizer.decode)
            results.append(one)
        return results

    def _prompt(self, text: str, language: str) -> InputSequence:
        turns = [Turn("system", (translation_prompt(language),)), Turn("user", (text,))]
        pieces = render(self.model.tokenizer, turns)
        return build_sequence(pieces, self.model.engine.embed, self.model.recognizer.boundaries)

    def _rules(self, heard: "Recognition") -> StopRules:
        """Three times as many tokens as were read: other languages take more than English of its tokens."""
        return StopRules(self.model.tokenizer.end_ids, 3 * len(heard.token_ids) + TOKENS_EXTRA)


def _replaced(
    heard: "Recognition",
    token_ids: list[int],
    log_probs: list[float],
    decode_ids: Callable[[list[int]], str],
) -> "Recognition":
    """The same stretch of speech with other words, spread evenly over it."""
    return replace(
        heard,
        text=decode_ids(token_ids).strip(),
        token_ids=token_ids,
        token_log_probs=log_probs,
        token_times_s=even_spans(len(token_ids), heard.token_times_s),
        avg_logprob=sum(log_probs) / len(log_probs) if log_probs else 0.0,
    )
