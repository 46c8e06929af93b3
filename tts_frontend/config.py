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

    lookahead_tokens: TN tokens beside white space that it may see behind what it reads, and the rest of the
    unspaced run of text they end in.
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


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes of the tagger that chooses among the rules' readings.

    rules: names, in the order of the outputs; right_context: TN tokens it may see behind what is read (as
    NormalizerConfig.lookahead_tokens); d_llama: width of the Llama's states, 0 for a tagger without Llama;
    rule_weight: what one step of a rule's own score counts, in natural logarithms of odds; 0: nothing.
    """

    language: str
    rules: tuple[str, ...]
    right_context: int = RIGHT_CONTEXT
    num_rows: int = 8192  # of the table of token pieces
    d_token: int = 128
    d_hidden: int = 160  # of the LSTM over the text so far, and of the one over the right context
    d_query: int = 128
    num_heads: int = 4
    d_llama: int = 0
    llama_tokens: int = 64  # of the newest states that are attended to
    window_tokens: int = 24  # most tokens of the right context that are looked at
    rule_weight: float = 0.0

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigError("a tagger needs the names of the rules it chooses among")
        if self.d_query % self.num_heads:
            raise ConfigError(f"d_query {self.d_query} is no multiple of num_heads {self.num_heads}")
        if not 0 <= self.right_context <= SENTENCE_LOOKAHEAD:
            raise ConfigError(f"right_context is {self.right_context}, must be 0 to {SENTENCE_LOOKAHEAD}")
