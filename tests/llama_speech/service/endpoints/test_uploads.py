import asyncio

import pytest
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.requests import Request

from llama_speech.service.endpoints.uploads import LimitedBody, TooLargeError, field, fields, read_json_body
from speech_core.errors import ProtocolError


def request_of(parts, **headers):
    """A request whose body comes in these parts."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    raw = Headers(headers).raw
    return Request({"type": "http", "method": "POST", "headers": raw, "path": "/"}, receive)


def read(request, limit):
    return asyncio.run(read_json_body(request, limit))


def test_a_body_comes_in_parts():
    assert read(request_of([b'{"a"', b": 1}"]), 100) == {"a": 1}
    assert read(request_of([]), 100) == {}


def test_a_body_is_refused_at_the_byte_that_is_too_much():
    assert read(request_of([b'{"a": 1}']), 8) == {"a": 1}
    with pytest.raises(TooLargeError):
        read(request_of([b'{"a"', b": 1}"]), 7)


def test_a_declared_length_is_believed_when_it_is_too_much():
    with pytest.raises(TooLargeError):
        LimitedBody(request_of([], **{"content-length": "8"}), 7)


def test_what_is_no_text_is_refused():
    with pytest.raises(ProtocolError):
        read(request_of([b"\xff\xfe"]), 100)


def test_lists_come_in_every_form_clients_send():
    form = FormData([("a[]", "x"), ("a[]", "y"), ("a", "z, w"), ("b", "1")])
    assert fields(form, "a") == ["x", "y", "z", "w"]
    assert (field(form, "b"), field(form, "c"), field(form, "c", "d")) == ("1", None, "d")


def test_a_file_is_no_text():
    with pytest.raises(ProtocolError):
        field(FormData([("model", UploadFile(None, filename="x"))]), "model")  # type: ignore[arg-type]
