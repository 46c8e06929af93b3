"""The exception tree is the one its file draws, and each class can be caught as what it is."""

import pytest

from speech_core import errors

TREE = {
    "InputError": "SpeechError",
    "AudioError": "InputError",
    "ConfigError": "SpeechError",
    "CheckpointError": "SpeechError",
    "BundleError": "CheckpointError",
    "StreamClosedError": "SpeechError",
    "ProtocolError": "SpeechError",
}


def test_the_tree_is_complete_and_drawn():
    classes = {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    assert set(classes) == {"SpeechError", *TREE}
    for child, parent in TREE.items():
        assert classes[child].__bases__[0] is classes[parent]
        assert child in (errors.__doc__ or "")


@pytest.mark.parametrize("name", ["InputError", "AudioError", "ConfigError"])
def test_wrong_values_are_value_errors(name):
    with pytest.raises(ValueError, match="44100"):
        raise getattr(errors, name)("audio is 44100 Hz")


def test_a_closed_stream_is_a_runtime_error():
    assert issubclass(errors.StreamClosedError, RuntimeError)


def test_a_protocol_error_carries_code_and_parameter():
    error = errors.ProtocolError("no such voice", code="invalid_value", param="session.voice")
    assert (str(error), error.code, error.param) == ("no such voice", "invalid_value", "session.voice")
    assert errors.ProtocolError("not JSON", code="invalid_json").param is None
