"""White space and the punctuation that stays in the spoken text as a hint for pauses."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.common.chunks import in_electronic

BASIC = RuleSet("basic")

PAUSES = ".,;:!?…"
QUIET = '"“”„«»()[]{}‹›'
WIDE = {
    char: mark
    for mark, chars in (
        (".", "。｡।॥"), (",", "、，､،"), ("!", "！"), ("?", "？؟"), (";", "；؛"), (":", "："),
        ('"', "「」『』《》〈〉"), ("(", "（【"), (")", "）】"),
    )
    for char in chars
}  # fmt: skip
"""Punctuation of other scripts, and what it is to speech."""
SIGNED = re.compile(r"[$£€¥]?\.?\d")
UNBOUND = re.compile(r"(?:^|[\s(\[=])$")


@BASIC.rule(r"\s+", " ", 2.0, cases=[(" ", " "), ("\n", "\n")])
def space(m: Match) -> str:
    """White space: one space, or the end of a line."""
    return "\n" * m.text.count("\n") if "\n" in m.text else " "


@BASIC.rule(
    rf"[.,;:!?…—–'’‘\"“”„«»()\[\]{{}}‹›¿¡{''.join(WIDE)}-]",
    PAUSES + QUIET + "'’‘—–-¿¡‑" + "".join(WIDE),
    lambda m: 0.1 if in_electronic(m) else 1.1,
    cases=[(",", ","), (".", "."), ("“", '"'), ("…", "..."), ("。", ".")],
)
def punctuation(m: Match) -> str | None:
    """Punctuation that speech follows with a pause or a change of tone; quotation marks become straight."""
    if m.text in "-–" and m.precedes(SIGNED) and m.follows(UNBOUND):
        return None  # the sign of a number
    if m.text in ".," and m.follows(re.compile(r"\d$")) and m.precedes(re.compile(r"\d")) and m.text == ".":
        return None
    straight = {"…": "...", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "’": "'", "‘": "'"}
    return straight.get(m.text) or WIDE.get(m.text, m.text)


@BASIC.rule(r"[^\w\s]|_", PAUSES + QUIET + "'’‘—–-¿¡‑", 0.05, cases=[("{(}a)", "")])
def silent(m: Match) -> str | None:
    """A mark that says nothing."""
    if m.text in "-–−+±" and m.precedes(SIGNED) and m.follows(UNBOUND):
        return None  # the sign of a number
    if m.follows(re.compile(r"\d$")) and m.precedes(re.compile(r"\d")):
        return None
    return ""
