"""The trained tagger at work: it chooses among the readings the rules offer, token by token, without torch.

The text so far is one LSTM state; the right context, as far as the rules see it, is read backwards by a
second LSTM; the Llama's states of the tokens that lie before its end are attended to. Only readings that a
rule has made can be chosen. Weights are those of `tagger_model.py`. State is bounded: two LSTM vectors, the
tokens of the right context, and the newest states.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import CheckpointError
from tts_frontend.config import TaggerConfig
from tts_frontend.inventory import Reading, View, best_reading
from tts_frontend.tagger_features import SeenToken, TokenWatcher
from tts_frontend.text_tokens import Token

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]

_RUN_AHEAD = 256  # tokens that may wait before the LSTM goes over them
_STATES_KEPT = 512


def differing(readings: Sequence[Reading]) -> bool:
    """Whether it matters which of the readings is taken: they differ in words or in length."""
    first = readings[0]
    return any(r.end != first.end or says(r) != says(first) for r in readings)


def says(reading: Reading) -> str:
    """The letters of a reading: what tells it from others."""
    return "".join(c for c in reading.spoken.lower() if c.isalnum())


class Tagger:
    """Weights of a trained tagger; `stream` gives one that follows a text."""

    def __init__(self, config: TaggerConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        self.weights = {name: np.asarray(value, dtype=np.float32) for name, value in weights.items()}
        self.rules = {name: number for number, name in enumerate(config.rules)}

    @classmethod
    def load(cls, folder: Path) -> "Tagger":
        """The tagger in a folder with config.json and model.safetensors. Raises CheckpointError."""
        import json

        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = TaggerConfig(**{**values, "rules": tuple(values["rules"])})
            weights = load_file(folder / "model.safetensors")
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{folder} holds no tagger ({error}): copy it again") from None
        return cls(config, _restored(weights))

    def stream(self) -> "TaggerStream":
        """A tagger at the start of a text."""
        return TaggerStream(self)

    def embed(self, tokens: Sequence[SeenToken]) -> Array:
        """(tokens, d_token)."""
        table = self.weights["table.weight"]
        out = np.empty((len(tokens), table.shape[1]), np.float32)
        for number, token in enumerate(tokens):
            out[number] = table[list(token.rows)].sum(0)
        return out / np.float32(np.sqrt(8))

    def lstm(self, name: str, tokens: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        """State of an LSTM behind some more tokens (tokens, d_token)."""
        weights, size = self.weights, self.config.d_hidden
        inputs = tokens @ weights[f"{name}.weight_ih_l0"].T + (
            weights[f"{name}.bias_ih_l0"] + weights[f"{name}.bias_hh_l0"]
        )
        recurrent = weights[f"{name}.weight_hh_l0"]
        hidden, cell = state
        for row in inputs:
            gates = row + recurrent @ hidden
            opened = _sigmoid(gates)
            update = np.tanh(gates[2 * size : 3 * size])
            cell = opened[size : 2 * size] * cell + opened[:size] * update
            hidden = opened[3 * size :] * np.tanh(cell)
        return hidden, cell

    def linear(self, name: str, x: Array) -> Array:
        """A linear layer of the model."""
        out: Array = x @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return out if bias is None else out + bias


def _restored(tensors: Mapping[str, Any]) -> dict[str, Array]:
    """Values stored in 16 or 8 bits as 32-bit floats; see speech_core.checkpoint."""
    restored = {}
    for name, value in tensors.items():
        if name.endswith(":scale"):
            continue
        scale = tensors.get(name + ":scale")
        floats: Array = np.asarray(value, dtype=np.float32)
        restored[name] = floats if scale is None else floats * scale.astype(np.float32)[:, None]
    return restored


def _as_array(embedding: Any) -> Array:
    """A tensor on any device and of any type, or an array, as 32-bit floats."""
    if hasattr(embedding, "detach"):
        embedding = embedding.detach().float().cpu().numpy()
    return np.asarray(embedding, dtype=np.float32)


def _sigmoid(x: Array) -> Array:
    one = np.float32(1)
    out: Array = one / (one + np.exp(-x))
    return out


class TaggerStream:
    """One text: it is shown tokens and states as they come, and asked where readings differ."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._watcher = TokenWatcher(tagger.config.num_rows)
        self._ahead: deque[SeenToken] = deque()  # tokens the LSTM has not read
        zeros = np.zeros(tagger.config.d_hidden, np.float32)
        self._state: tuple[Array, Array] = (zeros, zeros)
        self._last: tuple[SeenToken, Array] | None = None  # the token read last, and its vector
        self._odds: tuple[tuple[str, float], ...] = ()
        self._foreign = False
        self._states: deque[tuple[int, Array, Array]] = deque(maxlen=_STATES_KEPT)  # (end, key, value)

    def add_tokens(self, tokens: Sequence[Token]) -> None:
        """TN tokens of the text, as they are cut."""
        self._ahead.extend(self._watcher.push(tokens))

    def add_state(self, end: int, embedding: Any) -> None:
        """The Llama's state at a token whose text ends at `end`; embedding (d_llama,), a tensor or an array.

        States of another width are those of another Llama: they are left out, with one warning.
        """
        if not self._tagger.config.d_llama or self._foreign:
            return
        if len(embedding) != self._tagger.config.d_llama:
            self._foreign = True
            logger.warning(
                "the tagger was trained for a Llama of width %d, not %d: it goes on without states",
                *(self._tagger.config.d_llama, len(embedding)),
            )
            return
        state = _as_array(embedding)
        weights = self._tagger.weights
        state = (state - weights["attention.mean"]) * weights["attention.scale"]
        key = self._tagger.linear("attention.key", state)
        self._states.append((end, key, self._tagger.linear("attention.value", state)))

    def choose(self, view: View, readings: Sequence[Reading]) -> Reading:
        """The reading to take; the rules' own choice where all readings say the same."""
        self._odds = ()
        if len(readings) < 2 or not differing(readings):
            return best_reading(readings)
        known = [reading for reading in readings if reading.rule in self._tagger.rules]
        if not known:
            return best_reading(readings)
        scores = self.log_probs(view, known)
        self._odds = tuple((r.rule, float(np.exp(s))) for r, s in zip(known, scores, strict=True))
        return known[max(range(len(known)), key=lambda n: (scores[n], known[n].end))]

    def last_odds(self) -> tuple[tuple[str, float], ...]:
        """Rules and their probabilities at the last place; none where the tagger was not needed."""
        return self._odds

    def log_probs(self, view: View, readings: Sequence[Reading]) -> Array:
        """Natural log-probability of each reading among those given, the rules' own scores weighed in."""
        start, limit = view.start + view.offset, view.limit + view.offset
        vector, past = self._read_up_to(start)
        scores = self._scores(self._query(vector, past, limit), limit)
        own = scores[[self._tagger.rules[reading.rule] for reading in readings]]
        weight = np.float32(self._tagger.config.rule_weight)
        own = own + weight * np.array([reading.score for reading in readings], np.float32)
        shifted = own - own.max()
        out: Array = shifted - np.log(np.exp(shifted).sum())
        return out

    def _read_up_to(self, start: int) -> tuple[Array, Array]:
        """Let the LSTM read the token at `start` and all before it; that token's vector and the state."""
        tokens: list[SeenToken] = []
        while self._ahead and self._ahead[0].start <= start:
            tokens.append(self._ahead.popleft())
            if len(tokens) == _RUN_AHEAD:
                self._read(tokens)
                tokens = []
        self._read(tokens)
        if self._last is None:
            zeros = np.zeros(self._tagger.config.d_token, np.float32)
            return zeros, self._state[0]
        return self._last[1], self._state[0]

    def _read(self, tokens: list[SeenToken]) -> None:
        if tokens:
            vectors = self._tagger.embed(tokens)
            self._state = self._tagger.lstm("left", vectors, self._state)
            self._last = (tokens[-1], vectors[-1])

    def _query(self, vector: Array, past: Array, limit: int) -> Array:
        """(d_query,): the place in its context."""
        window: list[SeenToken] = []
        for token in self._ahead:
            if token.end > limit or len(window) == self._tagger.config.window_tokens - 1:
                break
            window.append(token)
        zeros = np.zeros(self._tagger.config.d_hidden, np.float32)
        tokens = np.concatenate([self._tagger.embed(window[::-1]), vector[None]])
        future, _ = self._tagger.lstm("right", tokens, (zeros, zeros))
        return np.tanh(self._tagger.linear("joined", np.concatenate([past, future, vector])))

    def _scores(self, query: Array, limit: int) -> Array:
        if self._tagger.config.d_llama:
            query = np.concatenate([query, self._attend(query, limit)])
        hidden = np.maximum(self._tagger.linear("hidden", query), 0)
        return self._tagger.linear("output", hidden)

    def _attend(self, query: Array, limit: int) -> Array:
        config, weights = self._tagger.config, self._tagger.weights
        seen = [(key, value) for end, key, value in self._states if end <= limit][-config.llama_tokens :]
        keys = np.stack([weights["attention.no_key"], *(key for key, _ in seen)])
        values = np.stack([weights["attention.no_value"], *(value for _, value in seen)])
        size = config.d_query // config.num_heads
        queries = self._tagger.linear("attention.query", query).reshape(config.num_heads, size)
        keys = keys.reshape(len(keys), config.num_heads, size)
        scores = np.einsum("hd,thd->ht", queries, keys) / np.float32(np.sqrt(size))
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        out: Array = np.einsum("ht,thd->hd", shares, values.reshape(keys.shape)).reshape(-1)
        return out.astype(np.float32)
