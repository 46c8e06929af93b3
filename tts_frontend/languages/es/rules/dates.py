"""Spanish dates and times; days and years are cardinals, so only numeric forms and clock times need rules."""

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.es import numbers as n
from tts_frontend.languages.es.lexicon import MONTHS

DATES = RuleSet("date")


def _date(day: str, month: str, year: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    tail = n.cardinal(year) if year[0] != "0" else n.digits(year)
    return f"{n.cardinal(str(int(day)))} de {MONTHS[int(month) - 1]} de {tail}"


@DATES.rule(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/.-]*\d)",
    "0",
    6.0,
    cases=[
        ("15/01/2020", "quince de enero de dos mil veinte"),
        ("1.9.93", "uno de septiembre de noventa y tres"),
    ],
)
def date_dmy(m: Match) -> str | None:
    """Day, month, year: "15/01/2020" is "quince de enero de dos mil veinte"."""
    return _date(m[1], m[3], m[4])


@DATES.rule(
    r"([12]\d{3})-(\d{2})-(\d{2})(?![\d-])",
    "0",
    7.0,
    cases=[("2006-08-05", "cinco de agosto de dos mil seis")],
)
def date_iso(m: Match) -> str | None:
    """Year, month, day: "2006-08-05" is "cinco de agosto de dos mil seis"."""
    return _date(m[3], m[2], m[1])


@DATES.rule(
    r"(\d{1,2})[:h](\d\d)(?![:\d])",
    "0",
    5.0,
    cases=[("9:59", "nueve cincuenta y nueve"), ("10:05", "diez cero cinco"), ("8:00", "ocho en punto")],
)
def time_clock(m: Match) -> str | None:
    """A time of day: "9:59" is "nueve cincuenta y nueve"."""
    if int(m[1]) > 24 or int(m[2]) > 59 or "h" in m.text:
        return None
    hour = n.cardinal(str(int(m[1])))
    if m[2] == "00":
        return f"{hour} en punto"
    return f"{hour} {n.digits(m[2]) if m[2][0] == '0' else n.cardinal(m[2])}"


@DATES.rule(
    r"(\d+):(\d+)(?![:\d])", "0", 2.5, cases=[("53:21", "cincuenta y tres veintiuno"), ("13:1", "trece uno")]
)
def pair(m: Match) -> str | None:
    """Chapter and verse, or minutes and seconds: "13:1" is "trece uno"."""
    parts = []
    for text in (m[1], m[2]):
        if len(text) > 6:
            return None
        parts.append(n.digits(text) if text[0] == "0" and len(text) > 1 else n.cardinal(text))
    return " ".join(parts)
