"""The streaming contract: push what came, get what is final; flush at the end."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
In = TypeVar("In")
Out = TypeVar("Out")


class Stream(Protocol[In_contra, Out]):
    """Input in chunks of any size, outputs as soon as they are final; joined they equal the whole result.

    A stream of frames may give a tensor in place of a list, its first dimension counting the outputs.
    """

    def push(self, chunk: In_contra, /) -> list[Out]:
        """Outputs that are now final; they never change. Raises StreamClosedError after `flush`."""

    def flush(self) -> list[Out]:
        """The rest; afterwards the stream is closed, and a second flush returns nothing."""


def run(stream: Stream[In, Out], chunks: Iterable[In]) -> list[Out]:
    """All outputs of a stream over some chunks and its flush."""
    outputs = [output for chunk in chunks for output in stream.push(chunk)]
    return outputs + stream.flush()
