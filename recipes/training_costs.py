"""What training the speech part costs: operations, memory and GPU-hours of each stage before each Llama.

    python -m recipes.training_costs                       # 1,000 hours of audio on a GPU of 989 TFLOP/s
    python -m recipes.training_costs --hours 230000 --peak-tflops 312 --price 1.5 --llamas llama-3.1-8b

Counted, for a second of audio: 6 operations a weight and vector where weights learn (2 forward, 4 backward),
4 where they are frozen and only pass the gradient on. Attention, softmax, the optimizer and data loading are
left out: the utilization stands for them. What the paper's sizes reach on real GPUs was not measured here.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch

from recipes.loop import options
from recipes.loop.options import option
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_core.errors import ConfigError
from speech_encoder.config import BEST_RQ_PRESETS, ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder

FROZEN, TRAINED = 4, 6  # operations a weight, see above
TRAINED_BYTES = 20  # a weight in float32 with gradient, two moments of Adam, and the average
LLAMA_BYTES = 2  # bfloat16
DRAWN_BOOKS = 4  # codebooks of a step, see recipes.pretrain_encoder


@dataclass(frozen=True)
class LlamaSize:
    """Sizes of a published Llama, from its config.json."""

    num_layers: int
    d_model: int
    d_feedforward: int
    num_heads: int
    num_kv_heads: int
    d_head: int
    vocabulary: int = 128_256
    tied: bool = False  # the embedding matrix is the output layer too

    @property
    def layer_weights(self) -> int:
        """Weights of all layers, norms left out: what every position is multiplied by."""
        queries, keys = self.num_heads * self.d_head, self.num_kv_heads * self.d_head
        one = self.d_model * (2 * queries + 2 * keys + 3 * self.d_feedforward)
        return self.num_layers * one

    @property
    def num_parameters(self) -> int:
        """All weights."""
        norms = (2 * self.num_layers + 1) * self.d_model
        return self.layer_weights + norms + self.vocabulary * self.d_model * (1 if self.tied else 2)


LLAMAS = {
    "smollm2-135m": LlamaSize(30, 576, 1536, 9, 3, 64, vocabulary=49_152, tied=True),
    "llama-3.2-1b": LlamaSize(16, 2048, 8192, 32, 8, 64, tied=True),
    "llama-3.2-3b": LlamaSize(28, 3072, 8192, 24, 8, 128, tied=True),
    "llama-3.1-8b": LlamaSize(32, 4096, 14_336, 32, 8, 128),
    "llama-3.1-70b": LlamaSize(80, 8192, 28_672, 64, 8, 128),
    "llama-3.3-70b": LlamaSize(80, 8192, 28_672, 64, 8, 128),
}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    hours: float = option(1000.0, "hours of audio heard, repeats counted")
    llamas: tuple[str, ...] = option(tuple(LLAMAS), "Llamas to count", choices=LLAMAS)
    peak_tflops: float = option(
        989.0, "bfloat16 operations a second of one GPU, 10^12 (H100: 989, A100: 312)"
    )
    utilization: float = option(0.35, "share of the peak that is reached: an assumption")
    price: float = option(2.5, "of an hour of one GPU, in any currency")
    vocabulary: int = option(4096, "Llama tokens of the CTC head")
    text_tokens_per_s: float = option(8.0, "tokens of prompt and answer for a second of audio")
    json: bool = option(False, "print JSON, not a table")

    def __post_init__(self) -> None:
        numbers = (self.hours, self.peak_tflops, self.utilization, self.vocabulary)
        if min(numbers) <= 0 or self.utilization > 1:
            raise ConfigError("hours, peak-tflops and vocabulary must be above 0, utilization in (0, 1]")


@dataclass(frozen=True)
class Cost:
    """One stage in front of one Llama."""

    llama: str
    stage: str
    trained_weights: int
    gflop_per_s: float  # 10^9 operations for a second of audio
    gpu_gb: float  # of one process, activations left out
    gpu_hours: float
    price: float


def presets_for(llama: str) -> tuple[str, str]:
    """(encoder preset, adapter preset) that belong before a Llama."""
    if llama == "smollm2-135m":
        return "small", "small"
    return "paper", "paper_70b" if "70b" in llama else "paper_8b"


def costs(config: RunConfig) -> Iterator[Cost]:
    """The three stages for each Llama, in order."""
    for name in config.llamas:
        llama, (encoder_preset, adapter_preset) = LLAMAS[name], presets_for(name)
        encoder = ENCODER_PRESETS[encoder_preset]
        adapter = ADAPTER_PRESETS[adapter_preset]
        encodings_hz = 1 / encoder.encoding_s
        positions_hz = encodings_hz / adapter.stride
        with torch.device("meta"):
            hear = sum(weight.numel() for weight in SpeechEncoder(encoder).parameters())
            adapt = sum(weight.numel() for weight in SpeechAdapter(adapter).parameters())
        adapt += adapter.d_model * (llama.d_model - adapter.d_llama)  # presets are made for 8B and 70B
        books = BEST_RQ_PRESETS[encoder_preset]
        masked = 1 - (1 - books.start_probability) ** books.span_frames
        heads = books.codebook_size * encoder.d_model
        stages = {
            "best-rq": TRAINED * encodings_hz * (hear + DRAWN_BOOKS * heads * masked),
            "ctc": TRAINED * (hear * encodings_hz + adapt * positions_hz)
            + FROZEN * config.vocabulary * llama.d_model * positions_hz,
            "llama": TRAINED * (hear * encodings_hz + adapt * positions_hz)
            + FROZEN * llama.layer_weights * (positions_hz + config.text_tokens_per_s),
        }
        for stage, operations in stages.items():
            learns = hear + (books.num_codebooks * heads if stage == "best-rq" else adapt)
            memory = learns * TRAINED_BYTES + (llama.num_parameters * LLAMA_BYTES if stage == "llama" else 0)
            hours = operations * config.hours / (config.peak_tflops * 1e12 * config.utilization)
            yield Cost(name, stage, learns, operations / 1e9, memory / 1e9, hours, hours * config.price)


def table(found: Sequence[Cost]) -> str:
    """Costs as a Markdown table."""
    lines = [
        "| Llama | stage | learns | GFLOP for 1 s of audio | GB on a GPU | GPU-hours | price |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        numbers = (one.gflop_per_s, one.gpu_gb, one.gpu_hours, one.price)
        figures = " | ".join(f"{number:,.0f}" if number >= 100 else f"{number:.2g}" for number in numbers)
        lines.append(f"| {one.llama} | {one.stage} | {one.trained_weights / 1e6:,.0f} M | {figures} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = options.parse(RunConfig, __doc__ or "", argv)
    found = list(costs(config))
    print(json.dumps([asdict(one) for one in found]) if config.json else table(found))


if __name__ == "__main__":
    main()
