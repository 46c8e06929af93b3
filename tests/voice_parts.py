"""A small voice with random weights that moves like one: front end, prosody, acoustic model and vocoder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from llama_speech.bundle import BundleInfo, write_manifest
from prosody.config import PRESETS
from prosody.model import ProsodyModel
from prosody.predictor import save_prosody
from speech_core.checkpoint import save_component, write_json
from speech_synthesis.acoustic import AcousticModel
from speech_synthesis.config import ACOUSTIC_PRESETS, VOCODER_PRESETS, FrameConfig
from speech_synthesis.synthesizer import SynthesizerParts
from speech_synthesis.vocoder import Vocoder
from tests.pronunciation_parts import WORDS, small_letters, small_pronouncer
from tts_frontend.frontend import FrontendStream
from tts_frontend.pronunciation import LEXICON_FILE
from tts_frontend.pronunciation_lexicon import write_lexicon
from tts_frontend.pronunciation_model import PronunciationConfig, PronunciationModel


def typical_frames(f0_hz: Sequence[float], config: FrameConfig, log_density: float = -18.0) -> Tensor:
    """Frames of a level sound with a falling spectrum at some pitches, (frames, channels)."""
    slope = torch.linspace(0.0, -6.0, config.num_mels).expand(len(f0_hz), -1) + log_density
    share = torch.linspace(-6.0, 0.0, config.num_bands).expand(len(f0_hz), -1)
    return torch.cat([slope, share, torch.tensor(list(f0_hz), dtype=torch.float32)[:, None]], 1)


def small_prosody(d_llama: int = 0) -> ProsodyModel:
    """A prosody model with random weights; d_llama: width of the states it reads, 0 for none."""
    torch.manual_seed(1)
    return ProsodyModel(replace(PRESETS["tiny"], d_llama=d_llama)).eval().requires_grad_(False)


def small_acoustic() -> AcousticModel:
    """An acoustic model with random weights, around the spectrum of a voice."""
    torch.manual_seed(2)
    model = AcousticModel(ACOUSTIC_PRESETS["tiny"]).eval().requires_grad_(False)
    model.mean[:80] = torch.linspace(-6.0, -12.0, 80)
    model.mean[80:92] = -3.0
    return model


def small_vocoder() -> Vocoder:
    """A vocoder that corrects a little."""
    torch.manual_seed(3)
    vocoder = Vocoder(VOCODER_PRESETS["tiny"]).eval().requires_grad_(False)
    torch.nn.init.normal_(vocoder.output.weight, std=0.05)
    return vocoder


def small_parts(d_llama: int = 0) -> SynthesizerParts:
    """All that speaks."""
    pronouncer = small_pronouncer()
    return SynthesizerParts(
        lambda: FrontendStream(pronouncer), small_prosody(d_llama), small_acoustic(), small_vocoder()
    )


def add_voice(bundle: Path, info: BundleInfo, d_llama: int = 0) -> Path:
    """The small voice as components of a bundle folder; writes its manifest."""
    letters = small_letters()
    model = PronunciationModel(PronunciationConfig(letters.config, None, None))
    assert model.letters is not None
    model.letters.load_state_dict(letters.state_dict())
    folder = bundle / "pronunciation"
    save_component(folder, model, model.config, {})
    write_lexicon(folder / LEXICON_FILE, {word: tuple(phones.split()) for word, phones in WORDS.items()})
    write_json(folder / "homographs.json", {})
    save_prosody(bundle / "prosody", small_prosody(d_llama), {})
    save_component(bundle / "acoustic", small_acoustic(), ACOUSTIC_PRESETS["tiny"], {})
    save_component(bundle / "vocoder", small_vocoder(), VOCODER_PRESETS["tiny"], {})
    write_manifest(bundle, info)
    return bundle
