"""Options of the front end: which locale's conventions the reading follows, and how far it may look ahead."""

from dataclasses import dataclass
from typing import Literal

from speech_core.errors import ConfigError

LANGUAGES = ("en", "es")
RIGHT_CONTEXT = 3  # tokens behind the current chunk, in speech (arXiv 2407.21783, 8.2)
SENTENCE_LOOKAHEAD = 48  # tokens behind the current chunk; with this the rules see the whole clause


@dataclass(frozen=True)
class ReadingOptions:
    """Locale choices of the readings. All have a sensible default; rules read them, nothing else does.

    date_order: order of purely numeric dates where the numbers do not decide it (1/4 is January 4 in "mdy").
    date_style: "written" keeps the order of day and month of the text; the others force one order.
    number_and: "one hundred and five" instead of "one hundred five".
    zero: the word for a zero in years, times and digit strings ("nineteen o five", "ten o five").
    hours: 24 reads 17:30 as "seventeen thirty", 12 as "five thirty p m".
    code: "read" names every symbol of Markdown code, "skip" leaves fenced blocks out.
    emoji: "name" reads their Unicode names, "skip" leaves them out.
    """

    date_order: Literal["mdy", "dmy"] = "mdy"
    date_style: Literal["written", "day_month", "month_day"] = "written"
    number_and: bool = False
    zero: Literal["o", "oh", "zero"] = "o"
    hours: Literal[12, 24] = 24
    code: Literal["read", "skip"] = "read"
    emoji: Literal["name", "skip"] = "name"


@dataclass(frozen=True)
class NormalizerConfig:
    """What a normalizer needs to know beside its rules.

    lookahead_tokens: TN tokens it may see behind the current unspaced chunk of text.
    verify: parse every reading back and fall back to a literal one on disagreement.
    """

    language: str = "en"
    lookahead_tokens: int = SENTENCE_LOOKAHEAD
    verify: bool = True
    reading: ReadingOptions = ReadingOptions()

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ConfigError(
                f"no reading rules for language {self.language!r}: choose one of {', '.join(LANGUAGES)}"
            )
        if not 0 <= self.lookahead_tokens <= SENTENCE_LOOKAHEAD:
            raise ConfigError(
                f"lookahead_tokens is {self.lookahead_tokens}, must be 0 to {SENTENCE_LOOKAHEAD}"
            )
