"""Made-up voice items: phones with spectra of their own, pitch and power, as a prepared voice has them."""

import numpy as np

from recipes.data.voice_cache import VoiceItem
from speech_core.events import SpokenWord
from speech_synthesis.config import FrameConfig
from tts_frontend.languages.en.phones import PHONE_IDS

_WORDS = {"one": "W AH1 N", "two": "T UW1", "three": "TH R IY1", "six": "S IH1 K S"}


def make_item(number: int, words: int = 3) -> VoiceItem:
    """An utterance of some words with a mark at the end, drawn from its number."""
    rng = np.random.default_rng(number)
    names = [str(name) for name in rng.choice(list(_WORDS), words)]
    phones, owners = [PHONE_IDS["SIL"]], [-1]
    for word, name in enumerate(names):
        symbols = _WORDS[name].split()
        phones += [PHONE_IDS[symbol] for symbol in symbols]
        owners += [word] * len(symbols)
    phones, owners = [*phones, PHONE_IDS["SIL"]], [*owners, -1]
    durations = rng.integers(2, 9, len(phones))
    owner = np.repeat(phones, durations)
    voiced = np.asarray([phone % 3 != 0 for phone in phones])
    f0 = np.where(voiced, rng.uniform(4.9, 5.6, len(phones)), np.nan)
    text = " ".join([*names, str(number)]) + "."
    starts = np.cumsum([0, *(len(name) + 1 for name in names)])
    spectrum = np.random.default_rng(0).normal(-18, 3, (128, FrameConfig().num_channels))
    frames = spectrum[owner] + rng.normal(0, 0.3, (len(owner), FrameConfig().num_channels))
    frames[:, 80:] = np.minimum(frames[:, 80:] / 4, 0)
    return VoiceItem(
        id=f"made-{number}",
        text=text,
        speaker="maker",
        corpus="made",
        words=tuple(
            SpokenWord(name, int(start), int(start) + len(name), "." if place == words - 1 else "")
            for place, (name, start) in enumerate(zip(names, starts, strict=False))
        ),
        phones=tuple(phones),
        phone_words=tuple(owners),
        durations=durations.astype(np.int64),
        log_f0=f0.astype(np.float32),
        log_power=rng.uniform(-12, -5, len(phones)).astype(np.float32),
        f0_hz=np.nan_to_num(np.exp(np.repeat(f0, durations)), nan=0.0).astype(np.float32),
        frames=frames.astype(np.float16),
        extra={"seed": number},
    )
