"""Sizes of the spectral frames, the acoustic model and the vocoder, with their presets."""

from dataclasses import dataclass, field

from speech_core.errors import ConfigError
from tts_frontend.languages.en.phones import PHONES


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class FrameConfig:
    """What the acoustic model writes and the vocoder reads.

    A frame holds the sound's power in `num_mels` bands, the share of noise in `num_bands`, and the pitch.
    """

    sample_rate: int = 24_000  # Hz
    hop_samples: int = 300  # 12.5 ms between frames
    num_bins: int = 601  # of the envelopes, from 0 Hz to half the sample rate
    num_mels: int = 80
    num_bands: int = 12  # of the share of noise, mel-spaced too
    floor: float = 1e-14  # smallest power of a hertz, relative to full scale

    def __post_init__(self) -> None:
        _require(
            self.hop_samples > 0 and self.sample_rate > 0, "hop_samples and sample_rate must be positive"
        )
        _require(
            self.num_bins > self.num_mels > self.num_bands > 0, "need num_bins > num_mels > num_bands > 0"
        )
        _require(self.floor > 0, "floor must be positive")

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_samples

    @property
    def num_channels(self) -> int:
        """Values of a frame without its pitch."""
        return self.num_mels + self.num_bands


@dataclass(frozen=True)
class VocoderConfig:
    """Harmonic-plus-noise vocoder; a small network corrects the envelopes."""

    frames: FrameConfig = field(default_factory=FrameConfig)
    num_fft: int = 2048  # two hops of excitation and the answer of the filter
    d_hidden: int = 128  # of the correcting network
    left_frames: int = 2  # it sees this many past frames, this one and the next
    num_corrections: int = 40  # bands in which it corrects either density
    highest_harmonic_hz: float = 11_000.0

    def __post_init__(self) -> None:
        _require(self.num_fft >= 4 * self.frames.hop_samples, "num_fft must hold four hops")
        _require(self.left_frames >= 0 and self.d_hidden > 0, "need left_frames >= 0 and d_hidden > 0")
        _require(self.num_corrections > 1, "num_corrections must be at least 2")


@dataclass(frozen=True)
class AcousticConfig:
    """Causal network over frames: what phone is said, how, and how far into it we are."""

    frames: FrameConfig = field(default_factory=FrameConfig)
    phones: tuple[str, ...] = PHONES
    d_phone: int = 64
    d_model: int = 256
    num_blocks: int = 5
    kernel: int = 7  # frames seen by each block: itself and the past
    expansion: int = 2
    lookahead_frames: int = 4  # 50 ms
    dropout: float = 0.0
    mean_log_f0: float = 5.3  # of the voice, natural logarithm of Hz
    mean_log_power: float = -7.5
    quietest: float = -28.0  # log-mel below this is as silent
    contrast: float = (
        0.0  # how much farther peaks of the spectrum rise: what is learnt is an average, and flat
    )
    contrast_mels: int = 25  # above and below the mean of so many bands

    def __post_init__(self) -> None:
        sizes = (self.d_phone, self.d_model, self.num_blocks, self.kernel, self.expansion)
        _require(min(sizes) > 0, "acoustic sizes must be positive")
        _require(self.lookahead_frames >= 0, "lookahead_frames must be at least 0")
        _require(0 <= self.dropout < 1, "dropout must be in [0, 1)")
        _require(bool(self.phones), "phones are empty")
        _require(
            self.contrast >= 0 and self.contrast_mels % 2 == 1, "need contrast >= 0 and an odd contrast_mels"
        )


ACOUSTIC_PRESETS = {
    "tiny": AcousticConfig(d_phone=8, d_model=16, num_blocks=1, kernel=3),
    "small": AcousticConfig(d_phone=32, d_model=128, num_blocks=3),
    "base": AcousticConfig(),
    "paper": AcousticConfig(d_phone=128, d_model=512, num_blocks=8, expansion=4),
}
VOCODER_PRESETS = {
    "tiny": VocoderConfig(d_hidden=8, num_corrections=6),
    "small": VocoderConfig(),
    "paper": VocoderConfig(d_hidden=512),
}
