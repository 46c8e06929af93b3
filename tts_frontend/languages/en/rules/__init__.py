"""English reading rules, one file per class; `RULE_SETS` is the inventory in order of preference."""

from tts_frontend.languages.common.basic import BASIC
from tts_frontend.languages.common.markup import MARKUP
from tts_frontend.languages.en.rules.abbreviations import ABBREVIATED, SHORTHAND
from tts_frontend.languages.en.rules.dates import DATES
from tts_frontend.languages.en.rules.electronic import ELECTRONIC
from tts_frontend.languages.en.rules.formulas import FORMULAS
from tts_frontend.languages.en.rules.fractions import FRACTIONS
from tts_frontend.languages.en.rules.letters import LETTERS
from tts_frontend.languages.en.rules.measures import MEASURES
from tts_frontend.languages.en.rules.money import MONEY
from tts_frontend.languages.en.rules.numbers import NUMBERS
from tts_frontend.languages.en.rules.roman import ROMAN
from tts_frontend.languages.en.rules.signs import SIGNS
from tts_frontend.languages.en.rules.telephone import TELEPHONE
from tts_frontend.languages.en.rules.times import TIMES

RULE_SETS = (
    NUMBERS, DATES, TIMES, MONEY, MEASURES, FRACTIONS, TELEPHONE, ROMAN, ABBREVIATED, SHORTHAND,
    LETTERS, ELECTRONIC, FORMULAS, MARKUP, SIGNS, BASIC,
)  # fmt: skip
