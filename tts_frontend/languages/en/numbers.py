"""English number words from strings of digits.

Own code and not num2words: that library is LGPL, loads fifty languages at import, and its "and", hyphens and
scale names would have to be taken out again; what the rules need fits here and is checked by an independent
parser.
"""

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = [
    "_",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
]
MAX_CARDINAL_DIGITS = 3 * len(SCALES)
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def _below_thousand(n: int, use_and: bool) -> list[str]:
    words: list[str] = []
    if n >= 100:
        words += [ONES[n // 100], "hundred"]
        if n % 100 and use_and:
            words.append("and")
    n %= 100
    if n >= 20:
        words.append(TENS[n // 10])
        n %= 10
        if not n:
            return words
    if n or not words:
        words.append(ONES[n])
    return words


def digits(text: str, zero: str = "zero") -> str:
    """Digits one by one: "905" is "nine zero five"."""
    return " ".join(zero if int(c) == 0 else ONES[int(c)] for c in text)


def cardinal(text: str, use_and: bool = False) -> str:
    """As "one thousand twenty four" for 1024; more than MAX_CARDINAL_DIGITS digits are read one by one."""
    if len(text) > MAX_CARDINAL_DIGITS:
        return digits(text)
    n = int(text)
    groups: list[int] = []
    while n or not groups:
        n, low = divmod(n, 1000)
        groups.append(low)
    words: list[str] = []
    for scale in range(len(groups) - 1, -1, -1):
        if not groups[scale] and len(groups) > 1:
            continue
        last = scale == 0 and len(groups) > 1
        if last and use_and and groups[0] < 100:
            words.append("and")
        words += _below_thousand(groups[scale], use_and)
        if scale:
            words.append(SCALES[scale])
    return " ".join(words)


def ordinal(text: str, use_and: bool = False) -> str:
    """For example, "21" is "twenty first"."""
    *head, last = cardinal(text, use_and).split()
    if last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last = ORDINALS.get(last, last + "th")
    return " ".join([*head, last])


def plural(spoken: str) -> str:
    """The plural of the last word: "nineteen eighty" is "nineteen eighties", "six" is "sixes"."""
    if spoken.endswith("y"):
        return spoken[:-1] + "ies"
    return spoken + ("es" if spoken.endswith(("s", "x", "ch")) else "s")


def year(text: str, zero: str = "o") -> str:
    """For 1984 "nineteen eighty four", for 1905 "nineteen o five", for 1900 "nineteen hundred"; 2005 in
    full.
    """
    n = int(text)
    if len(text) != 4 or n % 1000 < 10 or n < 1000:
        return cardinal(text)
    head, tail = divmod(n, 100)
    if tail == 0:
        return cardinal(str(head)) + " hundred"
    if tail < 10:
        return f"{cardinal(str(head))} {zero} {ONES[tail]}"
    return f"{cardinal(str(head))} {cardinal(str(tail))}"


def pairs(text: str, zero: str = "o") -> str:
    """House and room numbers: "1428" is "fourteen twenty eight", "708" "seven o eight", "120" "one
    twenty".
    """
    if len(text) not in (3, 4) or text[0] == "0":
        return cardinal(text) if text[0] != "0" else digits(text, zero)
    head, tail = text[:-2], text[-2:]
    if tail == "00":
        return cardinal(text) if text[-3] == "0" else cardinal(head) + " hundred"
    if tail[0] == "0":
        return cardinal(text) if text[-3] == "0" else f"{cardinal(head)} {zero} {ONES[int(tail[1])]}"
    return f"{cardinal(head)} {cardinal(tail)}"


def decimal(whole: str, fraction: str, use_and: bool = False) -> str:
    """For example, "3" and "14" are "three point one four"; an empty whole part is not said."""
    head = cardinal(whole, use_and) + " " if whole else ""
    return f"{head}point {digits(fraction)}"
