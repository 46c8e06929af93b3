"""The table of languages holds together."""

from speech_core.languages import LANGUAGE_NAMES


def test_codes_and_names_are_unique_and_look_like_ones():
    assert len(set(LANGUAGE_NAMES.values())) == len(LANGUAGE_NAMES) > 50
    for code, name in LANGUAGE_NAMES.items():
        assert len(code) == 2
        assert code.islower()
        assert name.istitle()
