"""Spanish number words from strings of digits."""

UNITS = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
]
TENS = ["_", "_", "veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]
HUNDREDS = [
    "_",
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
]
SCALES = (("millón", "millones"), ("billón", "billones"), ("trillón", "trillones"))
ORDINALS = [
    "cero",
    "primero",
    "segundo",
    "tercero",
    "cuarto",
    "quinto",
    "sexto",
    "séptimo",
    "octavo",
    "noveno",
    "décimo",
    "undécimo",
    "duodécimo",
    "decimotercero",
    "decimocuarto",
    "decimoquinto",
    "decimosexto",
    "decimoséptimo",
    "decimoctavo",
    "decimonoveno",
    "vigésimo",
]
MAX_CARDINAL_DIGITS = 24


def digits(text: str) -> str:
    """Digits one by one: "905" is "nueve cero cinco"."""
    return " ".join(UNITS[int(c)] for c in text)


def _below_thousand(n: int) -> list[str]:
    if n == 100:
        return ["cien"]
    words = [HUNDREDS[n // 100]] if n >= 100 else []
    n %= 100
    if 0 < n < 30:
        words.append(UNITS[n])
    elif n:
        words.append(TENS[n // 10] + (f" y {UNITS[n % 10]}" if n % 10 else ""))
    return words


def _shorten(words: list[str]) -> list[str]:
    """Before a noun "uno" loses its end: "veintiún mil", "un millón"."""
    if words and words[-1].endswith("veintiuno"):
        return [*words[:-1], words[-1][:-4] + "iún"]
    if words and words[-1].endswith("uno"):
        return [*words[:-1], words[-1][:-1]]
    return words


def _below_million(n: int) -> list[str]:
    thousands, rest = divmod(n, 1000)
    words = _below_thousand(rest)
    if thousands == 1:
        return ["mil", *words]
    return [*_shorten(_below_thousand(thousands)), "mil", *words] if thousands else words


def cardinal(text: str) -> str:
    """As "mil novecientos noventa y cinco" for 1995; more than MAX_CARDINAL_DIGITS digits are read one by
    one.
    """
    if len(text) > MAX_CARDINAL_DIGITS:
        return digits(text)
    n = int(text)
    if n == 0:
        return "cero"
    n, low = divmod(n, 10**6)
    words = _below_million(low)
    for one, many in SCALES:
        n, part = divmod(n, 10**6)
        if part:
            words = [*_shorten(_below_million(part)), one if part == 1 else many, *words]
    return " ".join(words)


def before_noun(spoken: str) -> str:
    """A cardinal before a masculine noun: "veintiuno" is "veintiún"."""
    return " ".join(_shorten(spoken.split(" ")))


def ordinal(text: str, feminine: bool = False) -> str | None:
    """An ordinal up to twenty: "3" is "tercero"; None above."""
    if int(text) >= len(ORDINALS) or int(text) == 0:
        return None
    word = ORDINALS[int(text)]
    return word[:-1] + "a" if feminine else word


def decimal(whole: str, fraction: str, separator: str) -> str:
    """A decimal: the fraction is a number of its own where it is short and has no leading zero."""
    tail = (
        cardinal(fraction)
        if len(fraction) <= 2 and (fraction[0] != "0" or fraction == "0")
        else digits(fraction)
    )
    return f"{cardinal(whole)} {'punto' if separator == '.' else 'coma'} {tail}"
