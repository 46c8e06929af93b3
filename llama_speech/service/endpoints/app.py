"""All addresses of the server in one application."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from llama_speech.service.conversation.settings import Settings, merged
from llama_speech.service.endpoints.access import key_of
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.endpoints.realtime import realtime
from llama_speech.service.endpoints.rest_audio import speech, transcriptions, translations
from llama_speech.service.endpoints.rest_chat import chat_completions
from llama_speech.service.endpoints.uploads import TooLargeError, read_json_body
from llama_speech.service.operation.server import Service
from speech_core.errors import AudioError, InputError, ProtocolError, SpeechError

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = frozenset(("index.html", "style.css", "main.js", "sound.js", "microphone.js"))
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src data:; connect-src 'self' ws: wss:",
    "permissions-policy": "microphone=(self)",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_SECRET_S = (10, 7200)
Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(service: Service) -> Starlette:
    """The ASGI application of a service."""
    routes: list[BaseRoute] = [
        WebSocketRoute("/v1/realtime", realtime),
        WebSocketRoute("/v1/realtime/", realtime),
        WebSocketRoute("/realtime", realtime),
        Route("/v1/audio/transcriptions", guarded(transcriptions), methods=["POST"]),
        Route("/v1/audio/translations", guarded(translations), methods=["POST"]),
        Route("/v1/audio/speech", guarded(speech), methods=["POST"]),
        Route("/v1/chat/completions", guarded(chat_completions), methods=["POST"]),
        Route("/v1/realtime/client_secrets", guarded(client_secret), methods=["POST"]),
        Route("/v1/models", guarded(models)),
        Route("/v1/models/{name:path}", guarded(model)),
        Route("/", page),
        Route("/page/{name}", page),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", guarded(metrics)),
    ]
    app = Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found, 500: broken})
    app.state.service = service
    return app


def guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint for those who may come in."""

    async def checked(request: Request) -> Response:
        service: Service = request.app.state.service
        origin, host = request.headers.get("origin"), request.headers.get("host")
        if not service.gate.admits_origin(origin, host):
            response: Response = service.error_response(
                403, "this origin is not allowed", "origin_not_allowed"
            )
        elif not service.gate.admits(key_of(request.headers, [])):
            response = service.error_response(401, "the API key is missing or wrong", "invalid_api_key")
        else:
            try:
                response = await endpoint(request)
            except SpeechError as fault:
                response = error_of(service, fault)
        path = request.scope["route"].path if "route" in request.scope else request.url.path
        service.metrics.requests.labels(path, str(response.status_code)).inc()
        return response

    return checked


def error_of(service: Service, fault: SpeechError) -> Response:
    """The HTTP error of what a client did wrong, or of what this server cannot do."""
    if isinstance(fault, TooLargeError):
        return service.error_response(413, str(fault), fault.code)
    if isinstance(fault, ProtocolError):
        status = 429 if fault.code == "rate_limit_exceeded" else 400
        return service.error_response(status, str(fault), fault.code, fault.param)
    if isinstance(fault, InputError):
        param = "file" if isinstance(fault, AudioError) else None
        return service.error_response(400, str(fault), "invalid_value", param)
    return service.error_response(500, str(fault), "server_error")


async def healthz(request: Request) -> Response:
    """The process is up."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The models are loaded and warm, and new sessions are taken."""
    service: Service = request.app.state.service
    if service.ready and not service.draining:
        return JSONResponse({"status": "ready", "speaks": bool(service.engine.voices)})
    return JSONResponse({"status": "draining" if service.draining else "loading"}, 503)


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return PlainTextResponse(request.app.state.service.metrics.text(), media_type="text/plain; version=0.0.4")


async def models(request: Request) -> Response:
    """The one model."""
    service: Service = request.app.state.service
    return JSONResponse({"object": "list", "data": [_model(service, service.config.model_name)]})


async def model(request: Request) -> Response:
    """One model by its name."""
    service: Service = request.app.state.service
    name = request.path_params["name"]
    if name != service.config.model_name:
        return service.error_response(404, f"there is no model {name[:80]!r}", "model_not_found", "model")
    return JSONResponse(_model(service, name))


async def client_secret(request: Request) -> Response:
    """A short-lived key for a browser, with the settings its session starts with."""
    service: Service = request.app.state.service
    value = await read_json_body(request, 1 << 20)
    wish: JsonObject = value.get("session") or {}
    if not isinstance(wish, dict):
        raise ProtocolError("session is an object", "invalid_type", "session")
    wish = {name: one for name, one in wish.items() if name != "model"}
    settings = merged(Settings(model=service.config.model_name), wish)
    asked = value.get("expires_after")
    seconds = asked.get("seconds", 600) if isinstance(asked, dict) else 600
    if not isinstance(seconds, int) or not _SECRET_S[0] <= seconds <= _SECRET_S[1]:
        raise ProtocolError(
            "seconds is a whole number from 10 to 7200", "invalid_value", "expires_after.seconds"
        )
    secret = service.gate.make_secret(seconds, wish)
    expires_at = round(secret.expires_at)
    session = settings.echo("sess_" + secret.value[3:24], expires_at)
    return JSONResponse({"value": secret.value, "expires_at": expires_at, "session": session})


async def not_found(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    service: Service = request.app.state.service
    status = getattr(error, "status_code", 404)
    what = "there is no such address" if status == 404 else "this address takes other methods"
    return service.error_response(status, f"{what}: {request.method} {request.url.path[:80]}", "not_found")


async def broken(request: Request, error: Exception) -> Response:
    """A defect of ours: logged by the server, told without details."""
    service: Service = request.app.state.service
    return service.error_response(500, "internal error: see the log of the server", "server_error")


async def page(request: Request) -> Response:
    """The page and its parts."""
    service: Service = request.app.state.service
    name = request.path_params.get("name", "index.html")
    if not service.config.page or name not in _PAGE_FILES:
        return service.error_response(404, f"there is no such address: {request.url.path[:80]}", "not_found")
    return FileResponse(_PAGE / name, headers=_PAGE_HEADERS)


def _model(service: Service, name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": service.created, "owned_by": "llama-speech"}
