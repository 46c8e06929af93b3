"""The exception tree: every error a caller may see, each with one clear line of text.

SpeechError
├── InputError            a value the caller gave is wrong (also a ValueError)
│   └── AudioError        audio that is missing, empty, broken, too long, or at the wrong rate
├── ConfigError           sizes or options that contradict each other
├── CheckpointError       weights that are missing, damaged, or of another model
│   └── BundleError       the same for a whole bundle
├── StreamClosedError     push after flush
└── ProtocolError         a service event that breaks the protocol (carries `code` and `param`)
"""


class SpeechError(Exception):
    """Base of all errors raised on purpose by this project."""


class InputError(SpeechError, ValueError):
    """A value given by the caller is wrong; the message names it and says what to do."""


class AudioError(InputError):
    """Audio that cannot be used: missing, empty, damaged, too long, or at the wrong rate."""


class ConfigError(SpeechError, ValueError):
    """Sizes or options that contradict each other or are out of range."""


class CheckpointError(SpeechError):
    """Weights that are missing, damaged, or belong to another model."""


class BundleError(CheckpointError):
    """A bundle that is missing, damaged, or lacks the component asked for."""


class StreamClosedError(SpeechError, RuntimeError):
    """Input was pushed into a stream that had been flushed."""


class ProtocolError(SpeechError):
    """A service event that breaks the protocol.

    code: machine-readable reason; param: dotted path of the offending field, or None.
    """

    def __init__(self, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
