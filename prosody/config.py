"""Sizes of the prosody model, how far it looks, and the constants its quantities are normalised by.

Source: arXiv 2407.21783, sections 8.1 to 8.3; what the paper leaves open is our choice.
"""

from dataclasses import dataclass, replace

from speech_core.errors import ConfigError
from tts_frontend.languages.en.phones import PHONES

UNLIMITED = 1_000_000  # a lookahead or left context longer than any text: the whole of it
QUANTITIES = ("duration", "f0", "power")  # the order of the delayed pattern
PUNCTUATION = ("", ",", ".", ";", ":", "?", "!", "-", "...")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class ProsodyConfig:
    """The model, its view, and its normalisation.

    d_llama: width of the Llama's states; 0 for a model that hears of phones alone.
    means, deviations: three numbers for each speaker, in the order of QUANTITIES: logarithms of seconds, of
    Hz (voiced phones only) and of power relative to full scale.
    """

    phones: tuple[str, ...] = PHONES
    speakers: tuple[str, ...] = ("default",)
    styles: tuple[str, ...] = ("neutral",)
    num_layers: int = 6
    d_model: int = 864
    num_heads: int = 6  # section 8.2
    d_feedforward: int = 864  # two fully connected layers of 864 (section 8.2)
    d_llama: int = 4096
    token_buckets: int = 32_768  # token ids share embeddings modulo this
    d_token: int = 64
    num_mixtures: int = 8  # logistic distributions mixed for each quantity
    dropout: float = 0.1
    phone_lookahead: int = 3  # phones after the one whose duration is chosen
    group_lookahead: int = 0  # groups after that of the phone; 0: only the group it stands in (section 8.2)
    left_context_phones: int = 128
    left_context_groups: int = 32
    max_group_tokens: int = 16  # of a longer group the last so many tokens are seen
    max_place: int = 8  # places in a word counted apart
    rope_base: float = 10_000.0
    means: tuple[float, ...] = (-2.6, 5.2, -7.0)
    deviations: tuple[float, ...] = (0.6, 0.2, 2.0)
    frame_s: float = 0.0125  # durations are whole numbers of frames
    f0_resolution: float = 0.01  # natural logarithm, 17 cents: differences below it do not matter
    power_resolution: float = 0.05  # natural logarithm, 0.2 dB

    def __post_init__(self) -> None:
        sizes = (self.num_layers, self.d_model, self.num_heads, self.d_feedforward, self.num_mixtures)
        _require(min(sizes) > 0, "prosody sizes must be positive")
        _require(self.d_model % self.num_heads == 0, "d_model must be a multiple of num_heads")
        _require(self.d_head % 2 == 0, "the size of a head must be even (rotary pairs)")
        _require(self.d_llama >= 0 and self.token_buckets > 0 and self.d_token > 0, "need d_llama >= 0")
        _require(0 <= self.dropout < 1, "dropout must be in [0, 1)")
        _require(self.phone_lookahead >= 0 and self.group_lookahead >= 0, "lookahead must be at least 0")
        _require(
            self.left_context_phones >= len(QUANTITIES) and self.left_context_groups >= 0,
            f"left context must be at least {len(QUANTITIES)} phones and 0 groups",
        )
        _require(self.max_group_tokens > 0 and self.max_place > 0, "max_group_tokens, max_place must be > 0")
        _require(bool(self.phones and self.speakers and self.styles), "phones, speakers, styles are empty")
        numbers = len(QUANTITIES) * len(self.speakers)
        _require(
            len(self.means) == len(self.deviations) == numbers and min(self.deviations) > 0,
            f"need {numbers} means and positive deviations: one of each quantity for each speaker",
        )
        _require(
            min(self.frame_s, self.f0_resolution, self.power_resolution) > 0, "resolutions must be positive"
        )

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.num_heads

    @property
    def uses_tokens(self) -> bool:
        """Whether it attends to the Llama's tokens and states."""
        return self.d_llama > 0


def full_context(config: ProsodyConfig) -> ProsodyConfig:
    """The same sizes, but all of a text in view: no streaming."""
    return replace(
        config,
        phone_lookahead=UNLIMITED,
        group_lookahead=UNLIMITED,
        left_context_phones=UNLIMITED,
        left_context_groups=UNLIMITED,
    )


PRESETS: dict[str, ProsodyConfig] = {
    "tiny": ProsodyConfig(
        num_layers=2,
        d_model=24,
        num_heads=2,
        d_feedforward=24,
        d_llama=12,
        token_buckets=64,
        d_token=4,
        num_mixtures=2,
        dropout=0.0,
        left_context_phones=12,
        left_context_groups=4,
    ),
    "small": ProsodyConfig(
        num_layers=4,
        d_model=192,
        num_heads=6,
        d_feedforward=384,
        d_llama=576,
        token_buckets=4096,
        d_token=32,
        num_mixtures=4,
        left_context_phones=64,
        left_context_groups=24,
    ),
    "paper": ProsodyConfig(),
}
