"""A text read by the rules alone, in one call."""

from tts_frontend.config import NormalizerConfig
from tts_frontend.normalizer_rules import RuleNormalizer, spoken_text


def normalize(text: str, config: NormalizerConfig | None = None) -> str:
    """The spoken form of `text`."""
    stream = RuleNormalizer(config)
    return spoken_text(stream.push(text) + stream.flush())
