"""What a Whisper model hears in a short clip, greedy: a labeller for recordings without text.

Clips of up to 9 s are heard in a window of 10 s, a third of what Whisper pads everything to, at two to three
times the speed; what it makes up at times is for a second model to disagree with (`recipes.prepare_labels`).
"""

from pathlib import Path

import numpy as np

from recipes.data.waveforms import SAMPLE_RATE, Waveform

SHORT_S, WINDOW_S = 9.0, 10.0
MAX_CLIP_S = 29.0  # what Whisper can hear at once, with some silence behind
_TOKENS, _TOKENS_PER_S = 12, 8  # the most a clip may have: ends the loops Whisper falls into
_HOP = 160  # samples of one frame of Whisper's features


class WhisperLabeller:
    """A Whisper model for faster-whisper, int8 on one thread, English."""

    def __init__(self, model: Path | str) -> None:
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)
        self._model, self._features = whisper.model, whisper.feature_extractor
        many = self._model.is_multilingual
        self._tokenizer = Tokenizer(
            whisper.hf_tokenizer, many, task="transcribe" if many else None, language="en" if many else None
        )
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]

    def __call__(self, audio: Waveform) -> str:
        """The text of one clip, (samples,) at 16 kHz; what lies behind MAX_CLIP_S may not be heard."""
        import ctranslate2

        window_s = WINDOW_S if audio.size <= SHORT_S * SAMPLE_RATE else 30.0
        padded = np.zeros(round(window_s * SAMPLE_RATE), np.float32)
        padded[: audio.size] = audio[: padded.size]
        mel = self._features(padded)[:, : padded.size // _HOP]
        sound = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None], dtype=np.float32))
        most = _TOKENS + round(_TOKENS_PER_S * audio.size / SAMPLE_RATE)
        heard = self._model.generate(sound, [self._prompt], beam_size=1, max_length=most)[0]
        return str(self._tokenizer.decode(heard.sequences_ids[0])).strip()
