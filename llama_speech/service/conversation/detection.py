"""What the turn detection of a session means: times of the detector, sound kept, silence waited for."""

from dataclasses import replace

from llama_speech.service.conversation.settings import SemanticVad, ServerVad
from llama_speech.service.conversation.turns import TurnConfig

PREFIX_MS = 300  # sound before the first speech that belongs to the turn, if the client names no other
_FINISHED = 0.2  # from this probability on words sound finished (chosen on dev data, RESULTS.md)
_SHORT_WAIT_MS = 320  # silence after words that surely are

Detection = ServerVad | SemanticVad


def detector_config(base: TurnConfig, detection: Detection) -> TurnConfig:
    """`base` with what the client chose."""
    if isinstance(detection, SemanticVad):
        return replace(base, silence_ms=detection.longest_wait_ms)
    return replace(base, threshold=detection.threshold, silence_ms=detection.silence_duration_ms)


def prefix_ms(detection: Detection | None) -> int:
    """Sound before the first speech that belongs to the turn."""
    return detection.prefix_padding_ms if isinstance(detection, ServerVad) else PREFIX_MS


def wait_ms(detection: SemanticVad, finished: float) -> int:
    """Silence that ends a turn: the likelier the words are finished (a probability), the shorter."""
    longest = detection.longest_wait_ms
    share = max(0.0, (_FINISHED - finished) / _FINISHED)
    return round(_SHORT_WAIT_MS + share * (longest - _SHORT_WAIT_MS))
