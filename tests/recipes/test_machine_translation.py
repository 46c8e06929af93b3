"""Translators behind one interface, and the filter."""

import sys

import pytest

from recipes.data.machine_translation import NLLB_CODES, CommandTranslator, fault, make_translator
from speech_adapter.prompts import PAPER_LANGUAGES
from speech_core.errors import InputError

UPPER = (
    f"{sys.executable} -c \"import sys; print(sys.stdin.read().upper().rstrip() + ' {{source}}{{target}}')\""
)


def test_a_program_translates_line_by_line():
    translator = make_translator(f"command:{UPPER.replace('{{', '{').replace('}}', '}')}")
    assert translator.translate(["good day", "how\nare you"], "en", "de") == ["GOOD DAY", "HOW ARE YOU ende"]
    assert translator.name.startswith("command:")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program", "no-such-program: "),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "gave 0 lines for 1, exit code 3"),
        ("cat /dev/null", "gave 0 lines for 1, exit code 0"),
    ],
)
def test_programs_that_fail_are_one_line(command, message):
    with pytest.raises(InputError, match=message) as error:
        CommandTranslator(command).translate(["a"], "en", "de")
    assert "\n" not in str(error.value)


def test_unknown_translators_are_refused():
    with pytest.raises(InputError, match="no translator is called 'magic'"):
        make_translator("magic")
    with pytest.raises(InputError, match="names no program"):
        make_translator("command:")


def test_codes_cover_the_languages_of_the_paper():
    assert NLLB_CODES.keys() == PAPER_LANGUAGES.keys()


@pytest.mark.parametrize(
    ("source", "translation", "reason"),
    [
        ("Guten Morgen, wie geht es dir?", "Good morning, how are you?", None),
        ("Ja.", "Yes, of course, my dear friend.", None),
        ("Guten Morgen", "", "empty"),
        ("Das ist ein guter Tag.", "das ist ein guter tag.", "a copy"),
        ("Taxi!", "Taxi!", None),
        ("Das ist ein ziemlich langer Satz über nichts.", "Yes.", "unlikely length"),
        ("Ich weiß es wirklich nicht, mein Freund.", "I do not I do not I do not I do not know", "a loop"),
    ],
)
def test_filter(source, translation, reason):
    assert fault(source, translation) == reason
