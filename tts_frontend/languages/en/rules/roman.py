"""Roman numerals: of chapters and wars (cardinal), of rulers (ordinal)."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n

ROMAN = RuleSet("roman")

VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
VALID = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
ACRONYMS = frozenset(
    [
        "CD",
        "DC",
        "MC",
        "MD",
        "CV",
        "DI",
        "MI",
        "MM",
        "CC",
        "DM",
        "CM",
        "CL",
        "LI",
        "DL",
        "DVI",
        "CCC",
        "DCC",
        "MCC",
        "MIX",
        "DIM",
        "CIV",
        "LCD",
        "MCI",
        "CDC",
        "DMC",
        "LL",
        "XXX",
        "XL",
        "MCM",
        "MDC",
    ]
)
COUNTED_BY = re.compile(
    r"(?i:\b(?:chapters?|chap\.?|parts?|books?|volumes?|vols?\.?|acts?|scenes?|sections?|sec\.?|"
    r"articles?|war|type|phase|title|titles|figures?|"
    r"fig\.?|tables?|appendix|appendices|no\.?|numbers?|bowl|fantasy|letters?|sonnets?|cantos?|"
    r"psalms?|hymns?|lectures?|lessons?|plates?|class|grade|stage|"
    r"level|tier|mark|mk\.?|series|season|episode|division|district|region|group|army|corps|legion|"
    r"category|factor|vatican|apollo|"
    r"saturn|titan|olympiad|games|rocky|sequel|edition|amendment|page|pages|p\.|pp\.|stanza|verse|"
    r"book|tome|rule|law|theorem|schedule|annex|"
    r"interlude|prelude|movement|symphony|sonata|concerto|opus|op\.|quartet|variation|windows|model|"
    r"version|unit|route|collection|generation|panzer|"
    r"ssc?|ib|legio|exhibit|form|case|volumen|band|heft|line|paragraph|note|notes|step|day|week|"
    r"year|era|age|dynasty|period|century|wrestlemania|"
    r"halo|street fighter|trilogy|encyclopedia|parte?|livre|liber|tomus))[ :-]*$"
)
RULER = (
    "Henry|Louis|George|Edward|Charles|William|James|Richard|John|Philip|Pius|Benedict|Napoleon|"
    "Ferdinand|Francis|Frederick|Leopold|Otto|"
    "Alexander|Nicholas|Ivan|Peter|Catherine|Elizabeth|Mary|Henri|Ptolemy|Ramesses|Ramses|Darius|"
    "Xerxes|Artaxerxes|Gustav|Gustavus|"
    "Christian|Olaf|Haakon|Harald|Canute|Sigismund|Stephen|Ladislaus|Casimir|Alfonso|Alphonso|Pedro|"
    "Manuel|Joseph|Rudolf|Rudolph|Maximilian|"
    "Conrad|Lothair|Paul|Gregory|Innocent|Clement|Urban|Leo|Sixtus|Boniface|Julius|Adrian|Celestine|"
    "Eugene|Martin|Victor|Emmanuel|Umberto|"
    "Wilhelm|Friedrich|Ludwig|Albert|Ernest|Robert|David|Malcolm|Kenneth|Constantine|Theodosius|"
    "Michael|Basil|Antiochus|Seleucus|Philippe|Carlos|Felipe|"
    "Juan|Pope|King|Queen|Emperor|Tsar|Czar|Sultan|Duke|Prince|Earl|Baron|Count|Mehmed|Murad|Selim|"
    "Suleiman|Ahmed|Mustafa|Bayezid|Abdul|Hamid|"
    "Nebuchadnezzar|Tiglath|Sargon|Thutmose|Amenhotep|Seti|Psamtik|Bohemond|Baldwin|Amalric|Raymond|"
    "Roger|Eric|Erik|Magnus|Valdemar|Karl|Johann|"
    "Rama|Chulalongkorn|Thaksin|Abbas|Shah|Tokugawa|Vittorio|Amadeus|Alexius|Manuel|Romanos|"
    "Justinian|Tiberius|Leopoldo|Isabella|Margaret|Anne"
)
RULED_BY = re.compile(rf"(?i:\b(?:{RULER}))[ ]?$")
TENTH = re.compile(r"\b(?:Charles|Leo|Louis|Pius|Gregory|Alfonso|Christian|Benedict|John) $")
CROWNED = re.compile(
    r"\b(?:King|Queen|Pope|Emperor|Empress|Tsar|Sultan|Prince|Patriarch|Pharaoh) (?:[A-Z][\w'’]+ ){1,3}$"
)
NAME_NEXT = re.compile(
    r"\. ?(?!(?:He|She|It|The|In|At|On|His|Her|But|And|Now|When|This|That|They|There|An|As|After|"
    r"For|From|With|Thus|Then|Under)\b)[A-Z]"
)
ORDERED = re.compile(
    r" (?:Army|Corps|Legion|Olympiad|Olympic|Dynasty|dynasty|century|Century|Panzer|Amendment|"
    r"edition|International|Congress|Infantry|Division)\b"
)
NUMERAL_END = re.compile(
    r"(?:['’]s\b)?(?:[.,;:!?)\]\"”]|--|—|–|$| [^a-z]| (?:of|and|to|in|is|was|on|by|had|with|the|at|"
    r"who|for|from|died|became|his|her|uniform)\b|['’])"
)


def value(text: str) -> int:
    """The value of a Roman numeral, 0 where the letters are not a well-formed one."""
    if not text or not VALID.fullmatch(text):
        return 0
    total = 0
    for here, behind in zip(text, [*text[1:], "I"], strict=True):
        total += -VALUES[here] if VALUES[here] < VALUES[behind] else VALUES[here]
    return total


def _alone(m: Match) -> bool:
    """Whether the numeral is all there is on its line, but for punctuation."""
    return bool(re.search(r"(?:^|\n)[\s(\[\"'“‘]*$", m.before)) and m.precedes(
        re.compile(r"[.)\]:]*\s*(?:$|\n|[.)\]:]|--)")
    )


def _cardinal_score(m: Match) -> float:
    if m.text == "I" and m.follows(re.compile(r"(?i:\bworld war) $")):
        return 7.0
    counted = m.follows(COUNTED_BY) and not (m.text == "I" and m.follows(re.compile(r"[Nn]o\. $")))
    if counted and (len(m.text) > 1 or (m.text in "IVX" and m.precedes(NUMERAL_END))):
        return 7.0
    if _alone(m) and (len(m.text) > 1 or m.text in "IVX") and not m.precedes(re.compile(r"\. ?[A-Z][a-z]")):
        return 6.0 if m.text != "I" else 3.2 if m.precedes(re.compile(r"[.)\]:]*\s*$")) else 0.5
    if len(m.text) == 1 or m.text in ACRONYMS:
        return 0.5
    if not set(m.text) <= set("IVX"):
        return 0.8
    return 4.0 if len(m.text) > 2 or m.text in ("II", "IV", "VI", "IX", "XI", "XV", "XX") else 1.5


@ROMAN.rule(
    r"[IVXLCDM]+(?![A-Za-z\d])",
    "a",
    _cardinal_score,
    cases=[("IV", "four"), ("XLII", "forty two"), ("MCMXC", "one thousand nine hundred ninety")],
)
def roman_cardinal(m: Match) -> str | None:
    """A numeral that counts: "Chapter IV" is "Chapter four"."""
    number = value(m.text)
    return n.cardinal(str(number), m.options.number_and) if number else None


@ROMAN.rule(
    r"[ivxl]{2,}(?![A-Za-z])",
    "a",
    lambda m: 3.5 if m.follows(re.compile(r"[(\[]$|\b(?:pp?\.|pages?|chapter|vol\.) $")) else 0.1,
    cases=[("xii", "twelve")],
)
def roman_small(m: Match) -> str | None:
    """A numeral in small letters, of pages and lists: "xii" is "twelve"."""
    number = value(m.text.upper())
    return n.cardinal(str(number)) if number else None


def _ordinal_score(m: Match) -> float:
    if len(m.text) > 1 and m.follows(CROWNED) and set(m.text) <= set("IVX"):
        return 8.0
    if m.follows(RULED_BY) and (
        len(m.text) > 1
        or (
            m.precedes(NUMERAL_END)
            and not m.precedes(NAME_NEXT)
            and (m.text in "IV" or (m.text == "X" and m.follows(TENTH)))
        )
    ):
        return 8.0 if set(m.text) <= set("IVX") else 0.6
    if len(m.text) > 1 and set(m.text) <= set("IVX") and m.precedes(ORDERED):
        return 6.0
    return 0.4


@ROMAN.rule(
    r"[IVXLCDM]+(?![A-Za-z\d])",
    "a",
    _ordinal_score,
    cases=[("VIII", "the eighth"), ("XVI", "the sixteenth"), ("III", "the third")],
)
def roman_ordinal(m: Match) -> str | None:
    """A numeral behind a name: "Henry VIII" is "Henry the eighth"."""
    number = value(m.text)
    if not number or number > 100:
        return None
    bare = m.precedes(ORDERED) or m.follows(re.compile(r"(?i:\bthe )$"))
    return ("" if bare else "the ") + n.ordinal(str(number))


@ROMAN.rule(
    r"([IVXLC]+)(?:th|st|nd|rd|e|ème)\b", "a", 6.0, cases=[("XXVth", "twenty fifth"), ("XIXth", "nineteenth")]
)
def roman_suffix(m: Match) -> str | None:
    """A numeral with an ordinal ending: "XXVth" is "twenty fifth"."""
    number = value(m[1])
    return n.ordinal(str(number)) if number else None
