import pytest

from llama_speech.service.endpoints.access import Gate, chosen_protocol, key_of
from tests.fakes import FakeClock


def test_without_keys_everybody_may_come_in():
    assert Gate(()).open
    assert Gate(()).admits(None)


@pytest.mark.parametrize(
    ("key", "admitted"),
    [("one", True), ("two", True), ("", False), (None, False), ("One", False), ("é", False)],
)
def test_with_keys_only_those_who_have_one(key, admitted):
    assert Gate(("one", "two")).admits(key) is admitted


@pytest.mark.parametrize(
    ("headers", "protocols", "key"),
    [
        ({"authorization": "Bearer abc"}, [], "abc"),
        ({"authorization": "bearer  abc "}, [], "abc"),
        ({"authorization": "Basic abc"}, [], None),
        ({"api-key": "abc"}, [], "abc"),
        ({}, ["realtime", "openai-insecure-api-key.abc"], "abc"),
        ({"authorization": "Bearer first"}, ["openai-insecure-api-key.second"], "first"),
        ({}, ["realtime"], None),
    ],
)
def test_keys_are_found_where_clients_put_them(headers, protocols, key):
    assert key_of(headers, protocols) == key


# Offers of stock clients, as observed.
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["realtime", "openai-insecure-api-key.K"], "realtime"),
        (["openai-insecure-api-key.K", "realtime", "openai-organization.O", "openai-project.P"], "realtime"),
        (["realtime", "openai-insecure-api-key.K", "openai-beta.realtime-v1"], "realtime"),
        (["openai-insecure-api-key.K", "chat"], "chat"),
        (["openai-insecure-api-key.K"], None),
    ],
)
def test_the_key_is_never_echoed(offered, chosen):
    assert chosen_protocol(offered) == chosen


def test_short_lived_keys_expire():
    clock = FakeClock(100.0)
    gate = Gate(("one",), clock=clock)
    secret = gate.make_secret(60, {"instructions": "x"})
    assert secret.value.startswith("ek_")
    assert gate.admits_secret(secret.value) == secret
    assert gate.admits_secret("ek_other") is None
    clock.advance(61)
    assert gate.admits_secret(secret.value) is None


def test_short_lived_keys_are_bounded():
    gate = Gate(("one",))
    first = gate.make_secret(60, {})
    for _ in range(1_000):
        gate.make_secret(60, {})
    assert gate.admits_secret(first.value) is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:8000", True),
        ("https://app.example", True),
        ("https://APP.example", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://127.0.0.1:9999", False),
    ],
)
def test_pages_of_other_origins_stay_out(origin, allowed):
    assert Gate((), ("https://app.example/",)).admits_origin(origin, "127.0.0.1:8000") is allowed


def test_any_origin_may_be_allowed():
    assert Gate((), ("*",)).admits_origin("https://evil.example", "x")


def test_a_name_that_was_made_to_point_here_is_not_ours():
    rebound = ("http://evil.example:8000", "evil.example:8000")
    assert not Gate((), loopback=True).admits_origin(*rebound)
    assert Gate((), loopback=True).admits_origin("http://localhost:8000", "localhost:8000")
    assert Gate((), loopback=True).admits_origin("http://[::1]:8000", "[::1]:8000")
    assert Gate((), loopback=False).admits_origin("https://talk.example", "talk.example")
