"""How well the service tells a finished turn from one that goes on: whole sentences against their beginnings.

    python -m recipes.score_turn_end SETS... [--count 200]

SETS: prepared sets (folders or files of JSON lines with `text`). Each sentence of 4 to 20 words is judged
whole, and cut behind a random word. Prints one JSON object: area under the ROC curve, and shares at each
threshold.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)
_WORDS = (4, 20)


def sentences(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Words of the texts that are one whole sentence."""
    for path in paths:
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        for file in files:
            for line in file.read_text(encoding="utf-8").splitlines():
                text = json.loads(line).get("text", "").strip()
                marks = sum(text.count(mark) for mark in ".?!")
                words = text.split()
                if _WORDS[0] <= len(words) <= _WORDS[1] and marks == 1 and text[-1] in ".?!":
                    yield words


def score(texts: Sequence[list[str]], judge: Callable[[str], float], seed: int) -> dict[str, Any]:
    """Area under the curve and shares, of whole texts and of their beginnings."""
    rng, start = random.Random(seed), time.perf_counter()
    whole = [judge(" ".join(words)) for words in texts]
    begun = [judge(" ".join(words[: rng.randint(2, len(words) - 1)])) for words in texts]
    wins = sum((one > other) + 0.5 * (one == other) for one in whole for other in begun)
    return {
        "sentences": len(texts),
        "seed": seed,
        "area_under_curve": round(wins / len(whole) / len(begun), 4),
        "whole_taken_for_finished": {str(t): _share(whole, t) for t in _THRESHOLDS},
        "begun_taken_for_finished": {str(t): _share(begun, t) for t in _THRESHOLDS},
        "judgement_ms": round(1000 * (time.perf_counter() - start) / (2 * len(texts)), 1),
    }


def _share(values: Sequence[float], threshold: float) -> float:
    return round(sum(value >= threshold for value in values) / len(values), 4)


def main(argv: Sequence[str] | None = None) -> int:
    """Score the Llama of a bundle."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.score_turn_end", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--count", type=int, default=200, help="sentences, drawn at random (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="bundle (default: the shipped one)")
    parser.add_argument("--llama", help="another Llama")
    args = parser.parse_args(argv)
    texts = list(sentences(args.sets))
    random.Random(args.seed).shuffle(texts)
    if not texts:
        print("no sentence of 4 to 20 words in these sets", file=sys.stderr)
        return 1
    from llama_speech.api import load
    from llama_speech.service.models.turn_end import TurnEndJudge

    loaded = load(args.model, args.llama).parts.loaded
    assert loaded is not None
    judge = TurnEndJudge(loaded.engine, loaded.tokenizer)
    print(json.dumps(score(texts[: args.count], judge, args.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
