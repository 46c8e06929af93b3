"""The application that a replica of Ray Serve runs; the cluster itself is not tested here."""

import asyncio
import pickle
import sys
from types import SimpleNamespace

import httpx
import pytest

from llama_speech.service.ray_serving import ReplicaOptions, ServedApp, deployment, from_config
from speech_core.errors import ConfigError


def get(app, path):
    """A request to an application."""

    async def ask():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_a_replica_loads_the_server_where_it_runs(tiny_stack):
    app = pickle.loads(pickle.dumps(ServedApp(tuple(tiny_stack.options))))
    assert app._app is None
    loaded = app.load()
    service = loaded.state.service
    try:
        assert app.load() is loaded
        assert get(app, "/readyz").json()["status"] == "ready"
        assert get(app, "/v1/models").json()["data"][0]["id"] == "llama-speech"
        assert pickle.loads(pickle.dumps(app))._app is None
    finally:
        service.close()
        service.engine.close()


class RayServe:
    """What is used of ray.serve, to see what it is given."""

    def ingress(self, app):
        def wrapped(replica):
            replica.app = app
            return replica

        return wrapped

    def deployment(self, replica, **settings):
        return SimpleNamespace(bind=lambda: (replica, settings))


def test_the_deployment_is_what_was_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(serve=RayServe()))
    replica, settings = from_config({"arguments": "--language es", "replicas": "4", "gpus": 0.5})
    assert replica.app.arguments == ("--language", "es")
    assert settings["num_replicas"] == 4
    assert settings["ray_actor_options"] == {"num_cpus": 2.0, "num_gpus": 0.5}
    assert settings["max_ongoing_requests"] == ReplicaOptions().max_ongoing
    with pytest.raises(ConfigError, match="wheels"):
        from_config({"wheels": 4})


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"llama-speech\[ray-serve\]"):
        deployment([])
