"""hibari "heart" as the voice to learn: speech with its phones, durations, pitch and power densities.

Nothing is aligned: the network's own durations are read from inside its graph, its pitch and envelopes before
they become a wave. Its sounds come a little before their places, so all boundaries are moved by a constant.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.data.voice_cache import VoiceItem
from speech_core.errors import AudioError
from speech_core.events import SpokenWord
from speech_synthesis.config import FrameConfig
from speech_synthesis.mel import frame_log_power, pack_frames
from tts_frontend.languages.en.phones import PHONE_IDS, SILENCE, read_ipa

NAME = "hibari-heart"
LICENCE = "Apache-2.0"
LEAD_FRAMES = 4  # its sounds lead its durations by 50 ms; see `voicing_agreement`
EDGE_FRAMES = 8  # of silence kept at both ends
_DURATIONS = "/Clip_output_0"  # inside the graph, in units of two frames
_PAUSES = ".,;:?!—…"
_WORD = re.compile(r"\S+")
_ENDS = re.compile(r"[.,;:?!]+$")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TeacherOutput:
    """What the network says of one sentence: parts (num_bins, frames) and pitch (frames,)."""

    symbols: str  # one for each duration, "^" and "$" at the ends
    durations: NDArray[np.int64]  # frames
    harmonic: Array
    phase: Array
    noise: Array
    free: Array
    free_phase: Array
    f0_hz: Array  # 0 where unvoiced

    @property
    def densities(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Power of a hertz of harmonics and noise: (frames, num_bins) twice.

        The scales follow from its synthesis: windowed frames of 1200 samples with hops of 300, pulses divided
        by 300; the branch of free phases sounds as noise of a quarter of its nominal power.
        """
        pitch = np.maximum(self.f0_hz, 40.0)
        envelope = _at_harmonics(self.harmonic, pitch)
        harmonic = np.exp(2 * envelope) / (180_000 * pitch) * (self.f0_hz > 0)
        noise = (2 * np.exp(2 * self.noise) + np.exp(2 * self.free)) / 1800 / 12_000
        return torch.from_numpy(harmonic.T.copy()), torch.from_numpy(noise.T.copy())


def _at_harmonics(log_amplitude: Array, f0_hz: Array) -> Array:
    """The envelope through its values at the harmonics alone; between them the network says what it likes."""
    bins, frames = log_amplitude.shape
    column = np.arange(frames)[None]
    hz = np.linspace(0.0, 12_000.0, bins)[:, None]
    place = np.maximum(hz / f0_hz, 1.0)
    below = np.floor(place)

    def value(number: NDArray[np.float64]) -> Array:
        position = np.minimum(number * f0_hz / hz[1], bins - 1.01)
        index = position.astype(np.int64)
        share = (position - index).astype(np.float32)
        line = log_amplitude[index, column] * (1 - share) + log_amplitude[index + 1, column] * share
        return np.asarray(line, dtype=np.float32)

    share = (place - below).astype(np.float32)
    return np.asarray(value(below) * (1 - share) + value(below + 1) * share, dtype=np.float32)


class VoiceTeacher:
    """Speaks one sentence with all that is known of it. Needs `hibari-tts` and `onnx`."""

    def __init__(self, config: FrameConfig | None = None) -> None:
        import onnx
        import onnxruntime
        from hibari import Hibari, dsp

        self._hibari, self._dsp = Hibari(threads=1), dsp
        graph = onnx.load(self._hibari.model_path)
        graph.graph.output.append(
            onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.FLOAT, None)
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
        self.config = config or FrameConfig()

    def phonemize(self, text: str) -> list[str]:
        """One phoneme string for each sentence."""
        return list(self._hibari.phonemize(text))

    def run(self, phonemes: str, pace: float = 1.0) -> TeacherOutput:
        """The network's output for one sentence."""
        symbols = "".join(letter for letter in phonemes if letter in self._hibari.vocab)
        ids = np.asarray([self._hibari.ids(phonemes)], np.int64)
        outputs = self._session.run(None, {"ids": ids, "speed": np.asarray([pace], np.float32)})
        harmonic, phase, noise, free, free_phase, f0_hz = (output[0] for output in outputs[:-1])
        f0_hz = np.where(f0_hz > 40.0, f0_hz, 0.0).astype(np.float32)
        durations = 2 * outputs[-1].astype(np.int64)
        return TeacherOutput(f"^{symbols}$", durations, harmonic, phase, noise, free, free_phase, f0_hz)

    def wave(self, output: TeacherOutput, seed: int = 0) -> Array:
        """Its sound at 24 kHz: (frames * hop,)."""
        parts = (output.harmonic, output.phase, output.noise, output.free, output.free_phase)
        audio = self._dsp.synth(*(part.copy() for part in parts), output.f0_hz, np.random.default_rng(seed))
        return np.asarray(audio, dtype=np.float32)

    def speak(self, text: str, name: str, pace: float = 1.0, seed: int = 0) -> VoiceItem:
        """One sentence as an item. Raises AudioError where it is not spoken word by word as written."""
        sentences = self.phonemize(text)
        words = written_words(text)
        if len(sentences) != 1 or len(sentences[0].split()) != len(words):
            raise AudioError(f"{text!r} is not one sentence of {len(words)} spoken words")
        output = self.run(sentences[0], pace)
        phones = place_phones(output.symbols, output.durations)
        audio = torch.from_numpy(self.wave(output, seed))
        extra = {"phonemes": sentences[0], "pace": pace, "seed": seed, "licence": LICENCE}
        return Spoken(name, text, words, phones, output, audio, extra).item(self.config)


def written_words(text: str) -> tuple[SpokenWord, ...]:
    """Words of a text cut at spaces, with the mark that follows each."""
    words = []
    for match in _WORD.finditer(text):
        mark = _ENDS.search(match[0])
        punctuation = (mark[0] if mark[0] == "..." else mark[0][0]) if mark else ""
        words.append(SpokenWord(match[0][: mark.start()] if mark else match[0], *match.span(), punctuation))
    return tuple(words)


@dataclass(frozen=True)
class PlacedPhones:
    """Phones with their words and frames."""

    phones: tuple[int, ...]
    words: tuple[int, ...]
    durations: NDArray[np.int64]


def place_phones(symbols: str, durations: NDArray[np.int64], lead: int = LEAD_FRAMES) -> PlacedPhones:
    """Phones of the network's symbols: pauses at marks and ends; a mere space goes half to either neighbour.

    All boundaries come `lead` frames earlier: the first pause is that much shorter, the last longer.
    """
    starts = np.concatenate([[0], np.cumsum(durations)])
    phones: list[int] = [PHONE_IDS[SILENCE]]
    words: list[int] = [-1]
    begins: list[float] = [0.0]
    word = 0
    for unit in read_ipa(symbols[1:-1]):
        start, end = int(starts[unit.start + 1]), int(starts[unit.end + 1])
        letters = symbols[1:-1][unit.start : unit.end]
        if unit.symbol:
            phones.append(PHONE_IDS[unit.symbol])
            words.append(word)
            begins.append(start)
        elif letters == " ":
            word += 1
            if words[-1] >= 0:  # the next phone begins in its middle
                begins.append((start + end) / 2)
                phones.append(-1)
                words.append(-2)
        elif letters in _PAUSES and words[-1] != -1:
            phones.append(PHONE_IDS[SILENCE])
            words.append(-1)
            begins.append(start)
    if words[-1] != -1:
        phones.append(PHONE_IDS[SILENCE])
        words.append(-1)
        begins.append(int(starts[-2]))
    return _settle(phones, words, begins, int(starts[-1]), lead)


def _settle(phones: list[int], words: list[int], begins: list[float], total: int, lead: int) -> PlacedPhones:
    """Middles of spaces go into the next phone, all boundaries move, and each phone keeps a frame."""
    kept: list[tuple[int, int, float]] = []
    middle: float | None = None
    for phone, word, begin in zip(phones, words, begins, strict=True):
        if word == -2:
            middle = begin
            continue
        kept.append((phone, word, begin if middle is None else middle))
        middle = None
    edges = np.asarray([0, *(begin - lead for _, _, begin in kept[1:]), total]).round().astype(np.int64)
    for index in range(1, len(edges) - 1):
        edges[index] = min(max(edges[index], edges[index - 1] + 1), total - (len(edges) - 1 - index))
    return PlacedPhones(tuple(p for p, _, _ in kept), tuple(w for _, w, _ in kept), np.diff(edges))


def phone_means(values: Array, durations: NDArray[np.int64], counts: NDArray[np.bool_]) -> Array:
    """Mean over each phone's frames that count, NaN where none does: (frames,) -> (phones,)."""
    phone = np.repeat(np.arange(len(durations)), durations)
    sums = np.bincount(phone, np.where(counts, values, 0.0), len(durations))
    numbers = np.bincount(phone, counts.astype(np.float64), len(durations))
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan).astype(np.float32)


@dataclass(frozen=True)
class Spoken:
    """A sentence as it came from the teacher: words, phones of all frames, and sound (samples,)."""

    name: str
    text: str
    words: tuple[SpokenWord, ...]
    phones: PlacedPhones
    output: TeacherOutput
    audio: torch.Tensor
    extra: dict[str, Any]

    def item(self, config: FrameConfig) -> VoiceItem:
        """The sentence without most of the silence at its ends."""
        durations = self.phones.durations.copy()
        front, back = (max(0, int(durations[end]) - EDGE_FRAMES) for end in (0, -1))
        durations[0], durations[-1] = durations[0] - front, durations[-1] - back
        kept = slice(front, len(self.output.f0_hz) - back)
        f0_hz = self.output.f0_hz[kept]
        frames = pack_frames(*self.output.densities, torch.from_numpy(self.output.f0_hz), config)[kept, :-1]
        power = frame_log_power(self.audio, config).numpy()[kept]
        voiced = f0_hz > 0
        return VoiceItem(
            id=self.name,
            text=self.text,
            speaker=NAME,
            corpus="hibari",
            words=self.words,
            phones=self.phones.phones,
            phone_words=self.phones.words,
            durations=durations,
            log_f0=phone_means(np.log(np.maximum(f0_hz, 1.0)), durations, voiced),
            log_power=phone_means(power, durations, np.ones_like(voiced)),
            f0_hz=f0_hz,
            frames=frames.numpy().astype(np.float16),
            extra=self.extra | {"first_frame": front},
            power=power,
        )
