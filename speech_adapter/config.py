"""Sizes of the adapter, with the presets `tiny`, `mini`, `small`, `paper_8b` and `paper_70b`.

Source: arXiv 2407.21783, section 8.2: convolution of kernel 3 and stride 2, one rotary Transformer layer of
width 3072 with a feed-forward of 4096, a linear layer to the width of the Llama; about 100 M parameters.
"""

from dataclasses import dataclass

from speech_core.errors import ConfigError

COMPRESSIONS = ("none", "ctc")


@dataclass(frozen=True)
class AdapterConfig:
    """Convolution, one Transformer layer, projection to the Llama; and a CTC head over the Llama's tokens."""

    d_encoder: int = 1536
    d_model: int = 3072
    d_feedforward: int = 4096
    num_heads: int = 24  # heads of 128; the paper is silent
    d_llama: int = 4096
    kernel: int = 3
    stride: int = 2  # encodings of one position
    rope_base: float = 10_000.0
    compression: str = (
        "none"  # "none": every position goes to the Llama (the paper); "ctc": one per token found
    )
    ctc_vocabulary: int = 0  # tokens of the CTC head, blank not counted; 0 = no head

    def __post_init__(self) -> None:
        if (
            min(self.d_encoder, self.d_model, self.d_feedforward, self.num_heads, self.d_llama, self.stride)
            < 1
        ):
            raise ConfigError("adapter sizes must be positive")
        if self.d_model % self.num_heads or (self.d_model // self.num_heads) % 2:
            raise ConfigError(
                "d_model must be a multiple of num_heads, and the size of a head even (rotary pairs)"
            )
        if self.kernel != 3:
            raise ConfigError(f"kernel is {self.kernel}: block mode is defined for 3")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(f"compression is {self.compression!r}: use one of {', '.join(COMPRESSIONS)}")
        if self.ctc_vocabulary < (self.compression == "ctc"):
            raise ConfigError("ctc_vocabulary must not be negative, and compression 'ctc' needs at least 1")


ADAPTER_PRESETS: dict[str, AdapterConfig] = {
    "tiny": AdapterConfig(
        d_encoder=32, d_model=32, d_feedforward=64, num_heads=2, d_llama=32, stride=1, compression="ctc",
        ctc_vocabulary=64,
    ),
    "mini": AdapterConfig(
        d_encoder=144, d_model=144, d_feedforward=384, num_heads=4, d_llama=576, stride=1, compression="ctc",
        ctc_vocabulary=4096,
    ),
    "small": AdapterConfig(
        d_encoder=384, d_model=768, d_feedforward=1024, num_heads=12, d_llama=576, compression="ctc",
        ctc_vocabulary=4096,
    ),
    "paper_8b": AdapterConfig(),
    "paper_70b": AdapterConfig(d_llama=8192),
}  # fmt: skip
