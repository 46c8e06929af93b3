"""Has the user finished? Judged on the words so far, by the Llama itself.

The measure is how much of the Llama's probability lies on the end of the user's turn, or on a mark that
ends a sentence, right after the words: what it takes for finished text. No further model is needed.
"""

import torch

from speech_adapter.engine import LlamaEngine, RunOptions
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.tokenizer import ChatTokenizer

_ENDING_MARKS = (".", "?", "!")
_MARK = "\ue000"
_MAX_CHARACTERS = 400  # the end of a long turn says enough


class TurnEndPrompt:
    """What the Llama reads to judge a turn, and the tokens that end one."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._tokenizer = tokenizer
        head = tokenizer.render([{"role": "user", "content": _MARK}], add_generation_prompt=False)
        self.head_ids = tokenizer.encode(head.split(_MARK)[0])
        endings = {tokenizer.encode(mark)[0] for mark in _ENDING_MARKS}
        self.ending_ids = sorted(endings | set(tokenizer.end_ids))

    def words(self, text: str) -> list[int]:
        """Token ids of the words; the punctuation of the recognizer is not looked at."""
        words = text.strip().rstrip(".?!,;:…-")[-_MAX_CHARACTERS:]
        return self._tokenizer.encode_literal(words) if words else []

    def ids(self, text: str) -> list[int]:
        """The whole prompt, or nothing where there are no words."""
        words = self.words(text)
        return [*self.head_ids, *words] if words else []


class TurnEndJudge:
    """Probability that words are a whole turn."""

    def __init__(self, engine: LlamaEngine, tokenizer: ChatTokenizer) -> None:
        self._engine, self._prompt = engine, TurnEndPrompt(tokenizer)
        head_ids = self._prompt.head_ids
        self._head: KeyValueCache | None = None
        if head_ids:
            with torch.inference_mode():
                self._head = engine.run(torch.tensor([head_ids]), options=RunOptions(num_logits=0)).cache
        self._ending_ids = torch.tensor(self._prompt.ending_ids)

    @torch.inference_mode()
    def __call__(self, text: str) -> float:
        """0 (goes on) to 1 (finished)."""
        ids = self._prompt.words(text)
        if not ids:
            return 0.0
        logits = self._engine.run(torch.tensor([ids]), cache=self._head).logits[0, -1]
        return float(logits.softmax(-1)[self._ending_ids].sum())
