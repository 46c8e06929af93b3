"""Clock times, durations on a stop watch, and the halves of the day."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n

TIMES = RuleSet("time")

HALF = r"(?P<half>[aApP])\.? ?[mM]\b\.?"
SCORE_BEFORE = re.compile(
    r"(?i:\b(?:won|lost|beat|score|scored|ratio|odds|psalms?|genesis|matthew|mark|luke|john|exodus|"
    r"romans|verse|chapter|\d:\d+,)( of)? ?)$"
)


def clock(hour: str, minute: str, m: Match, half: str = "") -> str:
    """Hour and minute in words; the full hour is "o'clock" unless a half of the day follows."""
    value = int(hour)
    if not half and m.options.hours == 12 and (value > 12 or value == 0):
        half, value = (
            ("p" if value >= 12 else "a"),
            (value - 12 if value > 12 else 12 if value == 0 else value),
        )
    words = n.cardinal(str(value))
    if int(minute):
        words += " " + (n.digits(minute, m.options.zero) if minute[0] == "0" else n.cardinal(minute))
    elif not half:
        words += " o'clock" if value <= 24 and hour not in ("0", "00") else " hundred"
    return words + (f" {half.lower()} m" if half else "")


@TIMES.rule(
    rf"(\d{{1,2}})(?:[:.](\d\d))? ?{HALF}",
    "0",
    7.0,
    cases=[
        ("5pm", "five p m"),
        ("{10:30 p.m.} today", "ten thirty p m"),
        ("2.30 a.m.", "two thirty a m."),
        ("1:05 AM", "one o five a m"),
    ],
)
def time_half(m: Match) -> str | None:
    """A time with its half of the day: "10:30 p.m." is "ten thirty p m"."""
    minute = m[2] or "00"
    if not (0 <= int(m[1]) <= 24 and int(minute) < 60):
        return None
    if (
        m.text[-1:].lower() == "m"
        and " " in m.text
        and m[2] == ""
        and m["half"] == "a"
        and m.precedes(re.compile(r" [a-z]+ing\b"))
    ):
        return None
    return clock(m[1], minute, m, m["half"]) + (
        "." if m.text.endswith(".") and m.precedes(re.compile(r"\s+[A-Z]|\s*$")) else ""
    )


@TIMES.rule(
    r"(\d{1,2}):(\d\d)(?![:\d])",
    "0",
    lambda m: 1.0 if m.follows(SCORE_BEFORE) else 6.0,
    cases=[("10:30", "ten thirty"), ("2:00", "two o'clock"), ("23:05", "twenty three o five")],
)
def time_clock(m: Match) -> str | None:
    """A time of day: "10:30" is "ten thirty", "2:00" is "two o'clock"."""
    return clock(m[1], m[2], m) if int(m[1]) <= 24 and int(m[2]) < 60 else None


@TIMES.rule(
    r"(\d{1,2}):(\d\d)(?![:\d])",
    "0",
    lambda m: 3.0 if m.follows(SCORE_BEFORE) else 1.0,
    cases=[("3:16", "three sixteen"), ("59:59", "fifty nine fifty nine")],
)
def verse(m: Match) -> str:
    """Chapter and verse, or minutes and seconds: "3:16" is "three sixteen"."""
    tail = n.digits(m[2], m.options.zero) if m[2][0] == "0" else n.cardinal(m[2])
    return f"{n.cardinal(str(int(m[1])))} {tail}"


@TIMES.rule(
    r"(\d{1,2})[:.](\d\d)[:.](\d\d)(?:\.(\d+))?(?! ?[.:]?\d)",
    "0",
    lambda m: 6.5 if ":" in m.text else 1.0,
    cases=[
        ("1:01:01", "one hour one minute and one second"),
        ("14:10:30", "fourteen hours ten minutes and thirty seconds"),
    ],
)
def time_seconds(m: Match) -> str | None:
    """Hours, minutes and seconds: "1:01:01" is "one hour one minute and one second"."""
    if int(m[2]) > 59 or int(m[3]) > 59:
        return None
    hour, minute, second = (int(m[i]) for i in (1, 2, 3))
    tail = f" point {n.digits(m[4])}" if m[4] else ""
    return (
        f"{n.cardinal(str(hour))} hour{'s' * (hour != 1)} "
        f"{n.cardinal(str(minute))} minute{'s' * (minute != 1)} "
        f"and {n.cardinal(str(second))}{tail} second{'s' * (second != 1 or bool(tail))}"
    )


@TIMES.rule(
    r"(?P<half>[aApP])\.?[mM]\b\.?",
    "a",
    lambda m: (
        5.0
        if (
            m.follows(
                re.compile(
                    r"(?:\d|[o']clock|ty|teen|one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
                    r"twelve|noon|evening) ?$"
                )
            )
            and m.text.lower() != "am"
        )
        or "." in m.text
        else 0.2
    ),
    cases=[("10 {p.m.} today", "p m"), ("A.M.", "a m.")],
)
def half_of_day(m: Match) -> str:
    """A half of the day by itself: "p.m." is "p m"."""
    return f"{m['half'].lower()} m" + (
        "." if m.text.endswith(".") and m.precedes(re.compile(r"\s+[A-Z]|\s*$")) else ""
    )


@TIMES.rule(
    r"(?P<zone>[EeCcMmPpGgBb])\.(?P<kind>[sSdDmM])\.(?P<t>[tT])\b\.?", "a", 6.0, cases=[("e.s.t", "E S T")]
)
def time_zone(m: Match) -> str:
    """A time zone with full stops: "e.s.t" is "E S T"."""
    return f"{m['zone']} {m['kind']} {m['t']}".upper()
