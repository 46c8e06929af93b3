"""JSON that clients should not send: wild values, and valid objects with something wrong in them."""

import json
import os
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # of `make fuzz`; 0: as many as a test run takes
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of surrogate pairs too
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**63, 10**400, 1e308, float("inf"), float("nan")])
    | ANY_TEXT
    | st.sampled_from(["", "auto", "none", "audio", "text", "user", "server_vad", "item_1", "x" * 70_000])
)
WORDS = """
type id item item_id session response audio input output format voice speed tools tool_choice name content
role text transcript arguments call_id turn_detection modalities output_modalities metadata conversation
audio_end_ms content_index previous_item_id response_id event_id max_output_tokens truncation prompt
instructions transcription language include tracing idle_timeout_ms
"""
NAMES = st.sampled_from(WORDS.split())
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def damaged(draw: Any, valid: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One of some valid objects, with up to three places replaced or fields added."""
    value: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(valid))))
    for _ in range(draw(st.integers(0, 3))):
        target: Any = value
        while keys := list(target) if isinstance(target, dict) else list(range(len(target))):
            key = draw(st.sampled_from(keys))
            if isinstance(target[key], dict | list) and draw(st.booleans()):
                target = target[key]
                continue
            target[key] = draw(ANY_JSON)
            break
        if isinstance(target, dict) and draw(st.booleans()):
            target[draw(NAMES)] = draw(ANY_JSON)
    return value


def amount(usual: int) -> dict[str, Any]:
    """How much hypothesis tries: `usual`, the same in every run, or what `make fuzz` asks for, ever new."""
    return {"max_examples": EXAMPLES, "derandomize": False} if EXAMPLES else {"max_examples": usual}
