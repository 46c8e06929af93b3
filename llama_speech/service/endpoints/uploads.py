"""Bodies of HTTP requests within limits: refused while they are read, before they fill the memory."""

from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from llama_speech.service.endpoints.protocol import JsonObject, read_event
from speech_core.errors import ProtocolError

_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 65_536


class TooLargeError(ProtocolError):
    """A body beyond the limit (413)."""


class LimitedBody:
    """The receive function of a request that stops at a number of bytes."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._receive, self._left, self._max_bytes = request.receive, max_bytes, max_bytes
        self._check(request.headers.get("content-length", "0"))

    async def __call__(self) -> Message:
        """The next part of the body. Raises TooLargeError."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._fault()
        return message

    def _check(self, declared: str) -> None:
        if declared.isdigit() and int(declared) > self._max_bytes:
            raise self._fault()

    def _fault(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than {self._max_bytes >> 20} MiB", "payload_too_large")


async def read_form(request: Request, max_bytes: int) -> FormData:
    """The fields of a multipart form; large files lie on disk. Raises ProtocolError."""
    limited = Request(request.scope, LimitedBody(request, max_bytes))
    try:
        return await limited.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
    except (MultiPartException, HTTPException) as error:  # the latter inside an application
        reason = error.message if isinstance(error, MultiPartException) else error.detail
        raise ProtocolError(f"the form cannot be read: {reason}", "invalid_form") from None
    except (KeyError, AssertionError):  # how Starlette meets a content type without a boundary
        raise ProtocolError("the form has no boundary: send multipart/form-data", "invalid_form") from None
    except ClientDisconnect:
        raise ProtocolError("the client left", "client_disconnected") from None


async def read_json_body(request: Request, max_bytes: int) -> JsonObject:
    """The JSON object of a body. Raises ProtocolError."""
    limited = Request(request.scope, LimitedBody(request, max_bytes))
    try:
        body = await limited.body()
    except ClientDisconnect:
        raise ProtocolError("the client left", "client_disconnected") from None
    return read_event(body.decode("utf-8", "replace")) if body else {}


def field(form: FormData, name: str, default: str | None = None) -> str | None:
    """A text field. Raises ProtocolError if it is a file."""
    value: Any = form.get(name, default)
    if isinstance(value, UploadFile):
        raise ProtocolError(f"{name} is text, not a file", "invalid_type", name)
    return value if value is None else str(value)


def fields(form: FormData, name: str) -> list[str]:
    """A list: `name[]` or `name`, repeated or separated by commas."""
    values = [str(value) for key in (f"{name}[]", name) for value in form.getlist(key)]
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
