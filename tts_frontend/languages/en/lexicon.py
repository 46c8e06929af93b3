"""English words that written forms stand for, and words that tell one reading from another."""

import re

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
MONTH_OF = {m.lower(): m for m in MONTHS} | {m[:3].lower(): m for m in MONTHS} | {"sept": "September"}
_LONG = "|".join(MONTHS)
MONTH = (
    rf"(?:{_LONG}|(?i:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?|{_LONG.upper()}|"
    r"january|february|april|june|july|august|september|october|november|december|"
    r"(?<=\d )march|(?<=\d )may|march(?= \d)|may(?= \d))"
)
"""A month however it is written; "march" and "may" in small letters only beside a number."""
WEEKDAY_OF = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday",
    "thur": "Thursday",
    "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday", "tu": "Tuesday",
    "th": "Thursday",
}  # fmt: skip


def _table(text: str) -> dict[str, str]:
    """`a=b c|d=e` as a dictionary."""
    return dict(
        entry.strip().split("=", 1) for entry in text.strip().replace("\n", "|").split("|") if entry.strip()
    )


# Read as given wherever they stand with a full stop (and without one when in BARE_ABBREVIATIONS).
ABBREVIATIONS = _table("""
mr=mister|mrs=missus|ms=miz|messrs=messieurs|mme=madame|mlle=mademoiselle|prof=professor|rev=reverend
hon=honorable
gen=general|col=colonel|maj=major|capt=captain|lt=lieutenant|sgt=sergeant|cpl=corporal|pvt=private
cmdr=commander
adm=admiral|gov=governor|sen=senator|rep=representative|pres=president|supt=superintendent|insp=inspector
jr=junior|sr=senior|esq=esquire|bros=brothers|co=company|corp=corporation|inc=incorporated|ltd=limited
dept=department|univ=university|assn=association|govt=government|intl=international|natl=national
ave=avenue|blvd=boulevard|rd=road|ln=lane|hwy=highway|pkwy=parkway|expy=expressway|fwy=freeway|sq=square
apt=apartment
ste=suite|mt=mount|mts=mountains|ft=fort|pt=point|is=island|co=company|bldg=building|rm=room|ct=court|pl=place
vol=volume|vols=volumes|ch=chapter|chap=chapter|sec=section|fig=figure|figs=figures|eq=equation|ed=edition
no=number|nos=numbers|approx=approximately|est=established|etc=et cetera|vs=versus|v=versus|eg=for example
misc=miscellaneous|incl=including|excl=excluding|temp=temperature|max=maximum|min=minimum|avg=average
tel=telephone|ext=extension|appt=appointment|assoc=associates|mgr=manager|asst=assistant|mfg=manufacturing
jan=January|feb=February|mar=March|apr=April|jun=June|jul=July|aug=August|sept=September|sep=September
oct=October
nov=November|dec=December|mon=Monday|tue=Tuesday|tues=Tuesday|wed=Wednesday|thu=Thursday|thur=Thursday
thurs=Thursday|fri=Friday|sat=Saturday|sun=Sunday|yr=year|yrs=years|hr=hour|hrs=hours|mins=minutes
secs=seconds
wks=weeks|mos=months|oz=ounces|lb=pounds|lbs=pounds|gal=gallons|tbsp=tablespoons|tsp=teaspoons
sqft=square feet
ca=circa|cf=compare|ibid=ibidem|viz=namely|al=al|e.g=for example|i.e=that is|a.k.a=also known as|w/o=without
ph.d=P H D|d.c=D C|u.s=U S|u.k=U K
""")
BARE_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "messrs", "mme", "mlle", "dr", "st", "jr", "sr", "ltd", "vs", "bros", "blvd", "hwy",
    "pkwy", "expy", "etc", "vol", "vols", "dept", "approx", "appt", "rd", "sgt", "lt", "capt", "pvt",
    "govt", "prof", "cmdr", "supt", "tbsp", "tsp"]
)  # fmt: skip
RANKS = frozenset(
    ["gen", "col", "maj", "capt", "lt", "sgt", "cpl", "pvt", "cmdr", "adm", "gov", "sen", "rep"]
)
TITLES = RANKS | {"mr", "mrs", "ms", "messrs", "mme", "mlle", "prof", "rev", "hon"}
NEEDS_CAPITAL = RANKS | {"hon", "ft", "mt", "pt", "rev", "pres", "insp", "prof"}
STREET_TYPES = _table("""
st=street|ave=avenue|av=avenue|blvd=boulevard|rd=road|dr=drive|ln=lane|ct=court|pl=place|hwy=highway
pkwy=parkway
expy=expressway|fwy=freeway|sq=square|ter=terrace|cir=circle|trl=trail
""")
DIRECTIONS = _table("n=North|s=South|e=East|w=West|ne=Northeast|nw=Northwest|se=Southeast|sw=Southwest")
STATES = _table("""
AL=Alabama|AK=Alaska|AZ=Arizona|AR=Arkansas|CA=California|CO=Colorado|CT=Connecticut|DE=Delaware|FL=Florida
GA=Georgia
HI=Hawaii|ID=Idaho|IL=Illinois|IN=Indiana|IA=Iowa|KS=Kansas|KY=Kentucky|LA=Louisiana|ME=Maine|MD=Maryland
MA=Massachusetts|MI=Michigan|MN=Minnesota|MS=Mississippi|MO=Missouri|MT=Montana|NE=Nebraska|NV=Nevada
NH=New Hampshire
NJ=New Jersey|NM=New Mexico|NY=New York|NC=North Carolina|ND=North Dakota|OH=Ohio|OK=Oklahoma|OR=Oregon
PA=Pennsylvania|RI=Rhode Island|SC=South Carolina|SD=South Dakota|TN=Tennessee|TX=Texas|UT=Utah|VT=Vermont
VA=Virginia
WA=Washington|WV=West Virginia|WI=Wisconsin|WY=Wyoming
""")
OLD_STATES = _table("""
Ala=Alabama|Ariz=Arizona|Ark=Arkansas|Cal=California|Calif=California|Colo=Colorado|Conn=Connecticut
Del=Delaware|Fla=Florida
Ga=Georgia|Ill=Illinois|Ind=Indiana|Kan=Kansas|Kans=Kansas|Ky=Kentucky|La=Louisiana|Mass=Massachusetts
Md=Maryland
Mich=Michigan|Minn=Minnesota|Miss=Mississippi|Mo=Missouri|Mont=Montana|Neb=Nebraska|Nebr=Nebraska|Nev=Nevada
Okla=Oklahoma
Ore=Oregon|Oreg=Oregon|Pa=Pennsylvania|Penn=Pennsylvania|Tenn=Tennessee|Tex=Texas|Va=Virginia|Vt=Vermont
Wash=Washington
Wis=Wisconsin|Wisc=Wisconsin|Wyo=Wyoming|VA=Virginia|IND=Indiana|ILL=Illinois|MASS=Massachusetts
TENN=Tennessee
""")

SYMBOLS = {
    "%": "percent", "‰": "per mille", "&": "and", "@": "at", "#": "hash", "*": "asterisk", "+": "plus",
    "=": "equals",
    "/": "slash", "\\": "backslash", "_": "underscore", "^": "caret", "~": "tilde", "|": "bar",
    "<": "less than",
    ">": "greater than", "$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₩": "won", "¢": "cents",
    "°": "degrees",
    "º": "degrees", "±": "plus or minus", "×": "times", "÷": "divided by", "≈": "approximately equals",
    "≠": "not equal to",
    "≤": "less than or equal to", "≥": "greater than or equal to", "∞": "infinity", "√": "square root of",
    "∑": "sum",
    "∫": "integral", "∂": "partial", "∆": "delta", "∏": "product", "∈": "in", "∉": "not in", "∪": "union",
    "∩": "intersection", "⊂": "subset of", "⊆": "subset of or equal to", "∅": "the empty set", "∀": "for all",
    "∃": "there exists", "→": "to", "←": "from", "↔": "to and from", "⇒": "implies", "⇔": "if and only if",
    "↑": "up",
    "↓": "down", "©": "copyright", "®": "registered", "™": "trademark", "§": "section", "¶": "paragraph",
    "†": "dagger",
    "№": "number", "−": "minus", "·": "dot", "`": "backquote", "{": "left brace", "}": "right brace",
    "[": "left bracket",
    "]": "right bracket", "(": "left parenthesis", ")": "right parenthesis", ";": "semicolon",
    ":": "colon", ",": "comma",
    ".": "dot", "-": "dash", "!": "exclamation mark", "?": "question mark", "'": "quote", '"': "quote",
    "–": "dash",
    "—": "dash", "₹": "rupee", "₽": "ruble", "µ": "micro", "Ω": "ohm", "⋅": "times",
}  # fmt: skip
POWERS = {"¹": "to the first", "²": "squared", "³": "cubed", "⁴": "to the fourth", "⁵": "to the fifth"}
VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψωςΓΔΘΛΞΠΣΦΨΩ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "omicron",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "sigma",
            "gamma",
            "delta",
            "theta",
            "lambda",
            "xi",
            "pi",
            "sigma",
            "phi",
            "psi",
            "omega",
        ],
        strict=True,
    )
)

ACRONYM_WORDS = frozenset(
    ["NASA", "NATO", "UNICEF", "UNESCO", "OPEC", "AIDS", "LASER", "RADAR", "SONAR", "SWAT", "NASDAQ",
    "NAFTA", "ASEAN", "INTERPOL", "FIFA", "UEFA", "SARS", "COVID", "PIN", "RAM", "ROM", "GIF", "JSON",
    "YAML", "RAID", "SIM", "DIVX", "IKEA", "LEGO", "NIMBY", "SCUBA", "TASER", "ZIP", "SOHO", "NOAA",
    "FEMA", "OSHA", "POTUS", "SCOTUS", "ISO", "CERN", "DARPA", "HIPAA", "LAN", "WAN", "CAD", "BASIC",
    "COBOL", "FORTRAN", "LISP", "ASCII", "LATEX", "BERT", "LLAMA", "CUDA", "JPEG", "WHO", "FEDA"]
)  # fmt: skip
"""Written in capitals, said as words."""
LETTER_WORDS = frozenset(
    [
        "tv",
        "pc",
        "dj",
        "cd",
        "dvd",
        "mp3",
        "ok",
        "uk",
        "usa",
        "url",
        "html",
        "http",
        "https",
        "www",
        "pdf",
        "id",
        "fm",
        "am",
        "pm",
        "ceo",
        "cpu",
        "gpu",
        "api",
        "faq",
    ]
)
"""Spelled letter by letter even in lower case."""

BEFORE_YEAR = re.compile(
    r"(?i:\b(?:in|since|by|until|till|during|from|before|after|of|circa|ca\.|c\.|year|and|or|to|"
    r"late|early|mid|around|about|spring|"
    r"summer|autumn|fall|winter|for|the|born|b\.|d\.|died|to|between|"
    + "|".join(MONTHS)
    + r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|"
    r"Sept?|Oct|Nov|Dec)\.?,? |[(\[–-] ?)$"
)
COUNTED = re.compile(
    r" (?!(?:was|is|has|as|his|this|its|us|plus|across|less|unless|always|perhaps|does|goes|says|"
    r"yes|games|olympics|series|elections?"
    r"|championships?|seasons|awards|census)\b)"
    r"(?:(?:more|other|new|different|small|large|square|cubic|foot|acre|mile|pound|dollar|meter|"
    r"metre|men|women|people|children|feet|"
    r"inhabitants|residents|persons)\b|[a-z]{2,}(?:[^su'i ]s|ees|ies)\b)"
)
"""What follows a count and not a year: a unit or a plural noun."""
