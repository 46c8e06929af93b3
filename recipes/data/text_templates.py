"""Contexts that call for different readings of the same written form: the data of the generated sentences.

A group names a form and, for each rule that may read it, contexts in which that rule is the right one. "{}"
is where the form stands; "{n}" is any small number, "{name}" a name, "{word}" a thing in the plural. All of
it is our own.
"""

from typing import NamedTuple

from recipes.data import text_forms as forms
from recipes.data.text_forms import Form


class Group(NamedTuple):
    """A written form and the contexts of each of its readings, separated by " | "."""

    name: str
    form: Form
    readings: dict[str, str]


GROUPS: tuple[Group, ...] = (
    Group(
        "four digits",
        forms.year,
        {
            "year": (
                "In {} the mill was sold. | She was born in {} in {place}. | {name} has lived here since "
                "{}. | The war of {} was short. | By {} nobody used it. | The {} edition is out of print. "
                "| It dates from about {}. | (first published {}) | The summer of {} was dry. | Until {} "
                "it belonged to {name}."
            ),
            "cardinal": (
                "They counted {} {word}. | About {} {word} were found. | It holds {} liters. | We need {} "
                "more {word}. | {name} walked {} meters. | Only {} of the {word} were left. | The tower "
                "has {} steps. | More than {} {word} are missing. | It costs {} points. | There are {} "
                "{word} in {place}."
            ),
            "digit_string": (
                "The code is {}. | Enter the PIN {} now. | His card ends in {}. | My password is {}. | "
                "Dial {} for the desk. | Use extension {} please. | The last digits are {}. | Type {} and "
                "press enter."
            ),
            "pairs": (
                "They live at {} Elm Street. | Meet me at {} Oak Avenue. | He moved to {} Mill Road in "
                "{place}. | Take flight {} to {place}. | She is in room {}. | Send it to {} North Lake "
                "Drive."
            ),
        },
    ),
    Group(
        "three digits",
        forms.digits(101, 989),
        {
            "cardinal": (
                "I saw {} {word}. | It weighs {} grams. | See page {}. | Only {} {word} came. | The score "
                "was {} points. | It takes {} days."
            ),
            "pairs": (
                "He lives at {} Main Street. | Take flight {} at noon. | She stays in room {}. | Find "
                "exhibit {} first. | The office is at {} Lake Avenue."
            ),
            "digit_string": ("The area code is {}. | Dial {} for help. | Enter code {}. | My PIN is {}."),
        },
    ),
    Group(
        "slash",
        forms.small_fraction,
        {
            "fraction": (
                "Add {} of a cup. | It is {} of an inch thick. | About {} of the {word} left. | Use {} "
                "teaspoon of salt. | {} of voters agreed. | He ate {} of the cake."
            ),
            "date_md": (
                "The train leaves on {}. | We meet on {} at noon. | It is due by {}. | Since {} it rains. "
                "| The {} meeting was moved. | From {} on we are closed."
            ),
            "over": ("Compute {} in your head as a quotient. | The slope is {} here."),
        },
    ),
    Group(
        "st",
        forms.one_of("St."),
        {
            "saint": (
                "{} {name} wrote it. | They prayed to {} Mary. | We drove to {} Louis. | The church of {} "
                "Paul is old. | He lives near {} {name}'s. | {} Peter held the keys."
            ),
            "street": (
                "He lives on Oak {} | Turn left at Main {} and stop. | The shop is at 12 Elm {} | Go down "
                "High {}, then right. | She moved to Park {} last year."
            ),
        },
    ),
    Group(
        "dr",
        forms.one_of("Dr."),
        {
            "doctor": (
                "{} {name} will see you. | Ask {} Brown about it. | I called {} Lee. | Our {} Smith retired."
            ),
            "street": (
                "He lives on Oak {} | Turn left at Lake {} and stop. | The house is at 12 Elm {} | She "
                "moved to Park {} last year."
            ),
        },
    ),
    Group(
        "no",
        forms.one_of("No."),
        {
            "abbreviation": (
                "See {} {n}. | He is {} 1 in {place}. | Take bus {} {n}. | Opus 5, {} {n} is short."
            ),
            "keep": (
                'Do you agree? {} | "{}" said {name}. | Is it late? {} It is not. | Did they win? {} They '
                "lost."
            ),
        },
    ),
    Group(
        "roman",
        forms.roman,
        {
            "roman_cardinal": (
                "Read chapter {} first. | World War {} ended. | It is in volume {} of the set. | Part {} "
                "is long. | Act {} begins. | See section {} below. | Book {} is lost."
            ),
            "roman_ordinal": (
                "Henry {} was king. | Louis {} built it. | Pope Pius {} agreed. | King George {} died. | "
                "Queen Elizabeth {} came. | Charles {} fled. | Napoleon {} lost."
            ),
        },
    ),
    Group(
        "dash",
        forms.one_of("-"),
        {
            "to": (
                "They won {n}{}{n}. | Bring {n}{}{n} {word}. | See pages {n}{}{n}. | It takes {n} {} {n} "
                "days. | Children of {n}{}{n} years | {name} lost {n} {} {n}."
            ),
            "minus": (
                "What is {n} {} {n}? | {n} {} {n} = {n} | Solve x = {n} {} {n}. | It was {}{n} degrees. | "
                "Calculate {n}{}{n}. | The result is {}{n}."
            ),
        },
    ),
    Group(
        "colon",
        forms.clock,
        {
            "time_clock": (
                "Meet me at {}. | It was {} when {name} came. | The train leaves at {} today. | Set an "
                "alarm for {}. | By {} all was quiet. | From {} on it rained."
            ),
            "verse": (
                "Read Genesis {} again. | In John {} it is said. | Psalm {} is short. | He quoted Romans {}."
            ),
        },
    ),
    Group(
        "hash",
        forms.one_of("#"),
        {
            "number_sign": (
                "He is {}{n} in {place}. | Order {}{n} is late. | See issue {}{n}. | Player {}{n} scored."
            ),
            "hashtag": ("Post it with {}travel. | The tag {}music is popular. | I follow {}books."),
        },
    ),
    Group(
        "star",
        forms.one_of("*"),
        {
            "times": ("What is {n} {} {n}? | {n}{}{n} = {n} | Compute {n} {} {n}."),
            "emphasis": ("This is {}very* good. | I {}really* mean it. | It is {}not* true."),
        },
    ),
    Group(
        "half of day",
        forms.one_of("am"),
        {
            "half_of_day": ("At nine {} it rained. | He came at ten {} sharp."),
            "keep": ("I {} here. | So {} I. | I {} 5 years old. | Here I {}."),
        },
    ),
    Group(
        "us",
        forms.one_of("US", "IT", "WHO", "UN", "AM"),
        {
            "letters": ("The {} report is out. | She works in {}. | A {} team came to {place}."),
            "keep": ("PLEASE HELP {} NOW | THIS WAS {} AGAIN | TELL {} THE TRUTH"),
        },
    ),
    Group(
        "ft",
        forms.one_of("Ft."),
        {
            "abbreviation": (
                "We flew to {} Worth. | The soldiers of {} Knox left. | Near {} Wayne it snowed."
            ),
        },
    ),
    Group(
        "weekday",
        forms.one_of("Sat", "Sun", "Wed"),
        {
            "weekday": ("Open {}, 9 to 5 | See you {} {n} | Closed {}-Mon"),
            "keep": ("They {} down. | The {} was hot. | He {} there."),
        },
    ),
    Group(
        "magnitude",
        lambda draw: f"{draw.randint(2, 900)}{draw.choice('KkMB')}",
        {
            "magnitude": ("It has {} users. | They sold {} copies. | The video got {} views."),
        },
    ),
    Group(
        "money",
        forms.money,
        {
            "money": (
                "It costs {}. | {name} paid {} for it. | They raised {} in {place}. | A budget of {} was "
                "approved. | He owes me {}. | Prices fell to {} a share."
            ),
        },
    ),
    Group(
        "measure",
        forms.measure,
        {
            "measure": (
                "It is {} in all. | They measured {} at noon. | A total of {} was used. | About {} "
                "remained. | The limit is {} here. | It grew by {}."
            ),
        },
    ),
    Group(
        "telephone",
        forms.phone,
        {
            "telephone": (
                "Call {} now. | My number is {}. | Text me at {}. | The hotline {} is free. | Fax: {}"
            ),
        },
    ),
    Group(
        "time of day",
        lambda draw: forms.clock(draw) + draw.choice((" am", " p.m.", "pm", " PM", " a.m.")),
        {
            "time_half": (
                "It starts at {} today. | Wake me at {} tomorrow. | We left {place} at {} and drove. | "
                "The {} show is sold out."
            ),
        },
    ),
    Group(
        "iso date",
        forms.iso,
        {
            "date_iso": ("It was filed on {}. | Due: {} | Released {} in {place}. | The log of {} is empty."),
        },
    ),
    Group(
        "numeric date",
        forms.slashed,
        {
            "date_mdy": ("Born {} in {place}. | It expires {}. | On {} he left. | Invoice of {}"),
        },
    ),
    Group(
        "day of month",
        forms.day_month,
        {
            "day_of_month": (
                "On {} it snowed. | He died {} in {place}. | We met on {} at noon. | {} was a holiday."
            ),
        },
    ),
    Group(
        "month day",
        forms.month_day,
        {
            "month_day": ("On {} it snowed. | Due {} at noon. | We met {} in {place}. | Open from {} on."),
        },
    ),
    Group(
        "ordinal",
        forms.ordinal,
        {
            "ordinal": (
                "The {} floor is closed. | She came {} in the race. | It is his {} book. | The {} of May"
            ),
        },
    ),
    Group(
        "decade",
        forms.decade,
        {
            "decade": (
                "Music of the {} and later | In the {} it was new. | The late {} were wild. | He loved "
                "the {}."
            ),
        },
    ),
    Group(
        "version",
        forms.version,
        {
            "version": (
                "Install version {} first. | Release {} is out. | It needs Python {} or later. | Upgrade "
                "from {} today."
            ),
        },
    ),
    Group(
        "decimal",
        lambda draw: f"{draw.randint(0, 99)}.{draw.randint(0, 999)}",
        {
            "decimal": (
                "The average is {}. | It rose {} percent. | About {} million came. | A ratio of {} is fine."
            ),
        },
    ),
    Group(
        "grouped",
        lambda draw: f"{draw.randint(1000, 9999999):,}",
        {
            "cardinal": (
                "There are {} {word}. | It sold {} copies. | Over {} {word} came. | A crowd of {} cheered."
            ),
        },
    ),
    Group(
        "state",
        forms.one_of("CA", "TX", "NY", "WA", "FL"),
        {
            "state": ("She lives in Salem, {}. | From Paris, {}, he drove on. | Springfield, {} 62704"),
            "letters": ("The {} file is lost. | Press {} twice."),
        },
    ),
)

DOCUMENTS: tuple[str, ...] = (
    "# {word}\n\n- **{n}** {word}\n- *{name}* paid ${n}.50\n",
    "1. Open `main.py`.\n2. Set `x = {n}`.\n3. Run it.\n",
    "| name | count |\n|------|-------|\n| {name} | {n} |\n",
    "Here is the answer:\n\n```python\nx = {n} + {n}\n```\n\nThat is all.\n",
    "See [the page](https://www.example.com/{word}?id={n}) for **{n} {word}**.\n",
    '> {name} said: "{n}% of {word}"\n',
    "Mail {name}{n}@example.com or visit www.example.org/{word}.\n",
    "---\n\n## {place} in {year}\n\n* {n} km\n* {n}\u00b0C\n",
)
"""What chat models write; every mark is read by the rules' own choice."""
