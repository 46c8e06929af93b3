"""Codes and names of languages."""

import pytest

from llama_speech.languages import Language, find_language, require_language
from speech_core.errors import InputError


@pytest.mark.parametrize("text", ["en", "EN", "English", "english", " en ", "en-GB", "en_US"])
def test_english(text):
    assert find_language(text) == Language("en", "English")


@pytest.mark.parametrize("text", ["de", "German", "fr", "Spanish", "zh"])
def test_others(text):
    language = find_language(text)
    assert find_language(language.name) == find_language(language.code) == language


@pytest.mark.parametrize("text", ["", "xx", "Klingon", "englisch", "e n"])
def test_unknown(text):
    with pytest.raises(InputError, match="is not known: give a code such as en or a name such as English"):
        find_language(text)


def test_auto_is_explained():
    with pytest.raises(InputError, match="'auto' is not detected: give a code such as en or a name"):
        find_language("auto")


def test_only_trained_languages():
    assert require_language("en", ("en", "es")).name == "English"
    assert require_language("de", ()).name == "German"
    with pytest.raises(InputError) as caught:
        require_language("de", ("en", "es"))
    expected = "language German is not one this model was trained for: it knows en (English), es (Spanish)"
    assert str(caught.value) == expected
