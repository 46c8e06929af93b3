"""Sizes of the front end, the Conformer and BEST-RQ, with the presets `tiny`, `mini`, `small` and `paper`.

`tiny` is for tests, `mini` for comparisons that have minutes of one core, `small` is shipped.

Source of the `paper` sizes: arXiv 2407.21783, section 8.2; of the open points: see each field.
"""

from dataclasses import dataclass, field

from speech_core.errors import ConfigError


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class FeatureConfig:
    """Log-mel front end: HTK mel scale, no filter normalisation, power spectrum, natural log."""

    sample_rate: int = 16_000  # Hz
    num_fft: int = 512  # samples
    window_samples: int = 400  # 25 ms Hann window, centred in the FFT frame
    hop_samples: int = 160  # 10 ms: 6K frames are 60 s (section 8.3)
    num_mels: int = 80  # section 8.2
    low_hz: float = 20.0
    high_hz: float = 8_000.0
    floor: float = 1e-6  # smallest mel power before the log; just above 16-bit rounding noise

    def __post_init__(self) -> None:
        _require(
            0 < self.hop_samples <= self.window_samples <= self.num_fft, "need 0 < hop <= window <= num_fft"
        )
        _require((self.num_fft - self.hop_samples) % 2 == 0, "num_fft - hop_samples must be even")
        _require(
            0 <= self.low_hz < self.high_hz <= self.sample_rate / 2, "need 0 <= low_hz < high_hz <= Nyquist"
        )
        _require(self.num_mels > 0 and self.floor > 0, "num_mels and floor must be positive")

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_samples

    @property
    def edge_samples(self) -> int:
        """Zeros assumed before and after the audio, so that there are samples // hop frames."""
        return (self.num_fft - self.hop_samples) // 2


@dataclass(frozen=True)
class EncoderConfig:
    """Frame stacking and Conformer."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    stack: int = 4  # mel frames joined into one encoding (section 8.2: 4, 40 ms)
    num_layers: int = 24
    d_model: int = 1536
    d_feedforward: int = 4096
    num_heads: int = 24
    kernel: int = 7  # depthwise convolution, in encodings
    dropout: float = 0.1
    rope_base: float = 10_000.0

    def __post_init__(self) -> None:
        sizes = (self.stack, self.num_layers, self.d_model, self.d_feedforward, self.num_heads)
        _require(min(sizes) > 0, "encoder sizes must be positive")
        _require(self.d_model % self.num_heads == 0, "d_model must be a multiple of num_heads")
        _require((self.d_model // self.num_heads) % 2 == 0, "the size of a head must be even (rotary pairs)")
        _require(self.kernel > 0 and self.kernel % 2 == 1, "kernel must be positive and odd")
        _require(0 <= self.dropout < 1, "dropout must be in [0, 1)")

    @property
    def encoding_s(self) -> float:
        """Seconds of audio behind one encoding."""
        return self.stack * self.features.hop_samples / self.features.sample_rate


@dataclass(frozen=True)
class BestRqConfig:
    """Masking and quantizer of BEST-RQ (section 8.3; Chiu et al., arXiv 2202.01855)."""

    num_codebooks: int = 16
    codebook_size: int = 8192
    d_code: int = 16
    span_frames: int = 32  # mel frames, 320 ms
    start_probability: float = 0.025  # per mel frame; spans may overlap: 1 - 0.975**32 = 55.5 % masked
    noise_std: float = 0.1  # masked frames become N(0, 0.1) after normalisation
    crop_frames: int = 6000  # longer utterances are cropped at random (60 s)
    codebooks_per_step: int = (
        0  # books whose loss one step computes; 0 = all (an unbiased estimate otherwise)
    )

    def __post_init__(self) -> None:
        _require(
            min(self.num_codebooks, self.codebook_size, self.d_code, self.span_frames) > 0,
            "sizes must be > 0",
        )
        _require(0 < self.start_probability < 1, "start_probability must be in (0, 1)")
        _require(self.crop_frames > 0 and self.noise_std >= 0, "need crop_frames > 0 and noise_std >= 0")
        _require(
            0 <= self.codebooks_per_step <= self.num_codebooks, "codebooks_per_step exceeds num_codebooks"
        )


ENCODER_PRESETS: dict[str, EncoderConfig] = {
    "tiny": EncoderConfig(num_layers=2, d_model=32, d_feedforward=64, num_heads=2, dropout=0.0),
    "mini": EncoderConfig(stack=8, num_layers=6, d_model=144, d_feedforward=576, num_heads=4, dropout=0.0),
    "small": EncoderConfig(num_layers=5, d_model=384, d_feedforward=1536, num_heads=6, dropout=0.0),
    "paper": EncoderConfig(),
}

BEST_RQ_PRESETS: dict[str, BestRqConfig] = {
    "tiny": BestRqConfig(num_codebooks=2, codebook_size=64),
    "mini": BestRqConfig(num_codebooks=4, codebook_size=1024),
    "small": BestRqConfig(),
    "paper": BestRqConfig(),
}
