import asyncio
import json

import pytest

from speech_core.errors import ProtocolError
from tests.llama_speech.service.conftest import make_service


def test_places_are_counted(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, max_sessions=2)
    assert [service.enter(), service.enter(), service.enter()] == [True, True, False]
    service.leave()
    assert service.enter()
    assert service.sessions == 2
    service.close()


def test_a_server_that_shuts_down_lets_sessions_finish(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, drain_s=0.001)
    assert not service.must_leave(busy=False)
    service.drain()
    assert service.draining
    assert not service.enter()
    assert service.must_leave(busy=False)
    service.close()


def test_model_names(tiny_engine, tiny_model):
    open_to_all = make_service(tiny_engine, tiny_model)
    strict = make_service(tiny_engine, tiny_model, any_model=False)
    assert open_to_all.knows_model("gpt-realtime")
    assert strict.knows_model("llama-speech")
    assert strict.knows_model(None)
    assert not strict.knows_model("gpt-realtime")


def test_errors_have_all_members(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model)
    for status, kind in (
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (503, "server_error"),
    ):
        response = service.error_response(status, "wrong", None)
        error = json.loads(bytes(response.body))["error"]
        assert error == {"message": "wrong", "type": kind, "param": None, "code": None}
        assert ("retry-after" in response.headers) == (status == 503)


def test_a_streamed_reply_keeps_its_place_until_it_ends(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, max_requests=1)
    closed = []

    async def body():
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    async def enter():
        async with service.request_place():
            return True

    async def run():
        stream = service.streamed(body())
        assert await anext(stream) == "a"
        with pytest.raises(ProtocolError, match="busy"):
            await enter()
        await stream.aclose()
        assert closed
        assert await enter()

    asyncio.run(run())
    service.close()
