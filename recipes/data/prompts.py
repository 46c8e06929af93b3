"""Prompts people might speak: trivia questions and everyday requests, kept if short, simple and speakable.

The paper chose prompts for speech by rules: short, of simple structure, without symbols (arXiv 2407.21783,
section 8.1).
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipes.data.held_out import HeldOutTexts, read_rows

logger = logging.getLogger(__name__)

MAX_WORDS = 18
_SPEAKABLE = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ' ,.?!-]+")  # no digits, no signs: what is said is what is written
_LICENCES = {
    "webquestions": "CC BY 4.0",
    "nq-open-dev": "CC BY-SA 3.0",
    "efficientqa-dev": "CC BY-SA 3.0",
    "opentriviaqa": "CC BY-SA 4.0",
    "clinc150": "CC BY 3.0",
    "slurp": "CC BY 4.0",
}


@dataclass(frozen=True)
class Prompt:
    """One prompt; answers: accepted ones of a trivia question."""

    id: str
    text: str
    source: str
    licence: str
    answers: tuple[str, ...] = ()


def read_prompts(text_dir: Path, part: str, held_out: HeldOutTexts | None) -> Iterator[Prompt]:
    """Prompts of the train or dev part, in file order; what is left out is counted in the log.

    held_out: texts training keeps away from; None for a part that is not trained on.
    """
    dropped: Counter[str] = Counter()
    for name in ("trivia", "requests"):
        for number, row in enumerate(read_rows(text_dir / "dialogue" / f"{name}.tsv.gz")):
            if len(row) < 4 or row[0] != part:
                continue
            reason = why_not(row[1]) or (
                "held out" if held_out is not None and held_out.holds(row[1]) else None
            )
            if reason:
                dropped[reason] += 1
                continue
            source = row[3]
            answers = tuple(row[2].split(" ||| ")) if name == "trivia" else ()
            yield Prompt(f"{name}/{number:05d}", row[1], source, _LICENCES.get(source, "unknown"), answers)
    logger.info("left out: %s", ", ".join(f"{count} {what}" for what, count in dropped.items()) or "nothing")


def why_not(text: str) -> str | None:
    """Why a prompt is not spoken, or None."""
    if not text.strip():
        return "empty"
    if len(text.split()) > MAX_WORDS:
        return f"over {MAX_WORDS} words"
    return None if _SPEAKABLE.fullmatch(text) else "digits or signs"
