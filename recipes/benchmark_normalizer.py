"""Speed of text normalization on one core: words a second, time per Llama token beside the Llama's own step,
and the time to start.

    python -m recipes.benchmark_normalizer --data TEXT/tn/libritts_tn/dev.tsv.gz [--llama FOLDER]

CPU time, so that other work on the machine counts little. The last line is one JSON object.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_speech.evaluation.normalization import read_all, read_pairs
from llama_speech.evaluation.normalization_scores import Pair
from llama_speech.normalization import RULES_ALONE, Chooser, load_tagger
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.events import TokenEvent
from tts_frontend.config import RIGHT_CONTEXT, NormalizerConfig
from tts_frontend.normalizer import TextNormalizer
from tts_frontend.tagger import Tagger

PEERS = {"nemo_text_processing 1.2.0": 284, "WeTextProcessing 1.2.0": 130}
"""Words a second of CPU time on libritts_tn, measured on the same kind of machine; see RESULTS.md."""
CONFIG = NormalizerConfig(lookahead_tokens=RIGHT_CONTEXT)


@dataclass(frozen=True)
class BenchConfig:
    """Options of this recipe."""

    data: Path = option(Path(), "file of pairs")
    model: Path | None = option(None, "bundle with the tagger (default: the shipped one)")
    llama: Path | None = option(None, "folder of the Llama whose step is timed")
    pairs: int = option(100, "how many of the pairs are read")


def bench(config: BenchConfig) -> dict[str, Any]:
    """All figures."""
    pairs, tagger = read_pairs(config.data).pairs[: config.pairs], load_tagger(config.model)
    read_all(pairs[:5], CONFIG, Chooser(tagger))  # tables that are made once
    report: dict[str, Any] = {
        "rules_words_per_s": read_all(pairs, CONFIG, RULES_ALONE)[1],
        "tagger_words_per_s": read_all(pairs, CONFIG, Chooser(tagger))[1],
        "peers_words_per_s": PEERS,
    }
    for name, flags in (("rules", ["--rules"]), ("tagger", ["--no-llama"])):
        model = ["--model", str(config.model)] if config.model and name == "tagger" else []
        report[f"start_{name}_s"] = start_seconds([*flags, *model])
    if config.llama:
        report |= beside_llama(config.llama, pairs[:20], tagger)
    return {name: round(v, 4) if isinstance(v, float) else v for name, v in report.items()}


def start_seconds(flags: Sequence[str]) -> float:
    """CPU seconds of a whole `llama-speech normalize`, best of three."""
    command = [sys.executable, "-m", "llama_speech", "normalize", *flags, "Dr. Smith paid $5."]
    return min(_child_seconds(command) for _ in range(3))


def _child_seconds(command: Sequence[str]) -> float:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def beside_llama(folder: Path, pairs: Sequence[Pair], tagger: Tagger) -> dict[str, float]:
    """Milliseconds of CPU per Llama token: of the Llama's own step, and of the normalizer that follows it."""
    import torch

    from llama_speech.text_states import TextStates
    from speech_adapter.engine import RunOptions
    from speech_adapter.engine_fast import FastEngine
    from speech_adapter.tokenizer import ChatTokenizer

    torch.set_num_threads(1)
    engine = FastEngine.from_folder(folder)
    states = TextStates(engine, ChatTokenizer.from_folder(folder))
    texts = [states.events(pair.written) for pair in pairs]
    tokens = sum(len(events) for events in texts)
    step = torch.tensor([[texts[0][0].token_id]])
    cache = engine.run(torch.tensor([[event.token_id for event in texts[0]]])).cache
    options = RunOptions(choices=True, hidden=True)
    llama_ms = _ms(lambda: engine.run(step, cache=cache, options=options), 10)
    own_ms = _ms(lambda: _follow(texts, tagger), 3) / tokens
    return {"llama_step_ms": llama_ms, "normalizer_ms_per_token": own_ms, "share": own_ms / llama_ms}


def _follow(texts: Sequence[Sequence[TokenEvent]], tagger: Tagger) -> None:
    for events in texts:
        stream = TextNormalizer(CONFIG, tagger)
        for event in events:
            stream.push(event)
        stream.flush()


def _ms(call: Callable[[], object], repeats: int) -> float:
    """Best CPU time of a call in milliseconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return 1000 * best


def main(argv: list[str] | None = None) -> None:
    """Run the recipe."""
    report = run_command(BenchConfig, bench, __doc__ or "", argv)
    for name, value in report.items():
        print(f"{name:28} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
