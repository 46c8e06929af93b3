"""Spanish reading rules: numbers, dates and times, money and measures, words, signs."""

from tts_frontend.languages.common.basic import BASIC
from tts_frontend.languages.common.markup import MARKUP
from tts_frontend.languages.es.rules.dates import DATES
from tts_frontend.languages.es.rules.measures import MEASURES
from tts_frontend.languages.es.rules.numbers import NUMBERS
from tts_frontend.languages.es.rules.signs import SIGNS
from tts_frontend.languages.es.rules.words import WORDS

RULE_SETS = (NUMBERS, DATES, MEASURES, WORDS, MARKUP, SIGNS, BASIC)
