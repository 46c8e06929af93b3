"""`llama-speech serve`: the voice service: OpenAI Realtime websocket, audio REST endpoints, a page."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_speech.cli._files import check_language
from llama_speech.cli._options import UsageError, add_model_options, positive, wrong_usage
from llama_speech.cli._outputs import check_file
from speech_core.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from llama_speech.api import SpeechLlama
    from llama_speech.service.models.batching import Decoder
    from llama_speech.service.models.speaking import Voice
    from llama_speech.service.operation.config import Limits, ServiceConfig
    from llama_speech.service.operation.server import Service

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options. Each can also be given as LLAMA_SPEECH_SERVE_NAME in the environment."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, help="port (default: 8000; 0: any free one)")
    parser.add_argument(
        "-l", "--language", default="en", help="of speech whose language is not named (default: en)"
    )
    parser.add_argument(
        "--self-check", action="store_true", help="talk to itself once, print latencies, and end"
    )
    _add_self_check(parser)
    _add_access(parser)
    _add_limits(parser)
    _add_conversation(parser)
    add_model_options(parser)


def _add_self_check(parser: argparse.ArgumentParser) -> None:
    check = parser.add_argument_group("with --self-check")
    check.add_argument(
        "--sessions",
        type=_numbers,
        metavar="N,N",
        help="measure latencies with so many sessions at once, as 1,2,4,8",
    )
    check.add_argument(
        "--turns", type=positive, default=10, metavar="N", help="of each session (default: 10)"
    )
    check.add_argument("--json", action="store_true", help="print the latencies as one JSON object")
    check.add_argument(
        "--output", type=Path, metavar="FILE", help="write them there too, anew after each number of sessions"
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    access = parser.add_argument_group("access")
    access.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="API keys, one a line; without any key everybody may connect",
    )
    access.add_argument(
        "--origin", action="append", metavar="URL", help="web page that may connect; may be repeated"
    )
    access.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate (PEM) for https and wss")
    access.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    access.add_argument(
        "--insecure", action="store_true", help="allow other machines to connect without any key"
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-sessions", type=positive, metavar="N", help="sessions at once (default: 8)")
    limits.add_argument("--session-s", type=float, metavar="S", help="longest session (default: 3600)")
    limits.add_argument(
        "--idle-s", type=float, metavar="S", help="longest silence of a client (default: 1200)"
    )
    limits.add_argument(
        "--drain-s", type=float, metavar="S", help="time to finish after SIGTERM (default: 20)"
    )


def _add_conversation(parser: argparse.ArgumentParser) -> None:
    chat = parser.add_argument_group("conversation")
    chat.add_argument("--instructions", help="system prompt of sessions that bring none")
    chat.add_argument("--model-name", help="name the clients see (default: llama-speech)")
    chat.add_argument("--max-answer-tokens", type=positive, default=256, metavar="N", help="default: 256")
    chat.add_argument(
        "--answer-from",
        choices=("transcript", "speech"),
        help="what the Llama answers: the words of a turn, or its speech embeddings (default: transcript)",
    )
    chat.add_argument(
        "--lead-ms",
        type=int,
        metavar="MS",
        help="sound is sent so much ahead of its playback, and more over an irregular network: less is "
        "silent sooner when somebody interrupts, more has no gaps; 3600000 sends all at once (default: 80)",
    )
    chat.add_argument(
        "--recognition",
        choices=("ctc", "llama"),
        default="ctc",
        help="words of a turn: the CTC draft, or the Llama's version of it, much slower (default: ctc)",
    )
    chat.add_argument(
        "--vllm",
        type=_json_object,
        metavar="JSON",
        help="run the Llama on vLLM with these engine options, as '{\"tensor_parallel_size\": 8}'",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        import uvicorn  # noqa: F401  (only to see whether it is there)
    except ImportError:
        raise ConfigError("the service needs more packages: pip install 'llama-speech[serve]'") from None
    from llama_speech.service.operation.run import check_can_listen

    check_language(args.language)
    if args.output is not None:
        check_file(args.output)
    with wrong_usage():
        config = read_config(args)
    if args.self_check and args.port is None:
        config = replace(config, port=0)
    check_can_listen(config)
    service = load_service(args, config)
    try:
        if args.self_check:
            _check(service, args)
            return 0
        return _serve(service)
    finally:
        service.close()
        service.engine.close()


def _serve(service: "Service") -> int:
    from llama_speech.service.endpoints.app import build_app
    from llama_speech.service.operation.run import make_server, warm_up

    config = service.config
    server = make_server(build_app(service), service)
    _log.info("warming up")
    warm_up(service)
    print(
        f"llama-speech is at {config.url} (websocket: {config.url.replace('http', 'ws', 1)}/v1/realtime)",
        file=sys.stderr,
    )
    try:
        asyncio.run(server.serve())
    except SystemExit:  # uvicorn has said why it cannot start
        return 1
    return 0


def _check(service: "Service", args: argparse.Namespace) -> None:
    """Talk to itself, once or as many sessions."""
    from llama_speech.service.operation.latency import to_markdown
    from llama_speech.service.operation.self_check import check_load, self_check

    if not args.sessions:
        for line in self_check(service):
            print(line)
        return
    summaries: list[dict[str, Any]] = []
    report = ""
    try:
        for one in check_load(service, args.sessions, args.turns):
            _log.info("%s", json.dumps(one))
            summaries.append(one)
            report = json.dumps({"latency": summaries}) if args.json else to_markdown(summaries)
            if args.output is not None:
                args.output.write_text(report + "\n", encoding="utf-8")
    finally:  # also when somebody stops it
        print(report)


def _json_object(text: str) -> dict[str, Any]:
    """Options as a JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers above 0, separated by commas."""
    return tuple(positive(part) for part in text.split(","))


def read_config(args: argparse.Namespace) -> "ServiceConfig":
    """Options, else the environment, else the defaults. Raises UsageError for an open door."""
    from llama_speech.service.operation.config import ServiceConfig, from_environment

    given = {name: value for name, value in vars(args).items() if value is not None}
    names = {"host", "port", "tls_cert", "tls_key", "model_name", "instructions", "answer_from", "lead_ms"}
    values = from_environment(os.environ, ServiceConfig) | {n: v for n, v in given.items() if n in names}
    if args.origin:
        values["origins"] = tuple(args.origin)
    if args.api_key_file is not None:
        values["api_keys"] = read_keys(args.api_key_file)
    config = ServiceConfig(**values, limits=read_limits(args))
    if not config.loopback and not config.api_keys and not args.insecure:
        raise UsageError(
            f"{config.host} can be reached from other machines: give --api-key-file, "
            "or --insecure to let everybody in"
        )
    return config


def read_limits(args: argparse.Namespace) -> "Limits":
    """Limits by options, else the environment, else the defaults."""
    from llama_speech.service.operation.config import Limits, from_environment

    given = {field.name: getattr(args, field.name, None) for field in fields(Limits)}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Limits(**(from_environment(os.environ, Limits) | chosen))


def read_keys(path: Path) -> tuple[str, ...]:
    """Keys of a file, one a line; empty lines and lines with # do not count."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the API keys of {path}: {reason}") from None
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise UsageError(f"{path} holds no API key: write one a line")
    return keys


def load_service(args: argparse.Namespace, config: "ServiceConfig") -> "Service":
    """Models and engine behind one service."""
    from llama_speech.api import load
    from llama_speech.service.models.engine import EngineOptions, LocalEngine
    from llama_speech.service.operation.metrics import Metrics
    from llama_speech.service.operation.server import Service

    decoder: Decoder | None = None
    if args.vllm is not None:
        model, decoder = _load_on_vllm(args)
    else:
        threads = args.threads or max((os.cpu_count() or 2) // 2, 1)  # the models run on two threads at once
        model = load(args.model, args.llama, args.device, args.dtype, threads)
    loaded, metrics = model.parts.loaded, Metrics()
    if loaded is None:
        raise ConfigError("this model has no Llama to talk to")
    options = EngineOptions(
        language=args.language, max_answer_tokens=args.max_answer_tokens, recognition=args.recognition
    )
    engine = LocalEngine(loaded, model.languages, load_voice(args), options, metrics, decoder)
    return Service(config, engine, metrics, model)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `llama-speech serve ARGUMENTS`."""
    parser = argparse.ArgumentParser(prog="llama-speech serve")
    add_arguments(parser)
    return parser.parse_args(list(arguments))


def load_app(arguments: Sequence[str]) -> "Starlette":
    """The ASGI application of `llama-speech serve ARGUMENTS`, loaded and warm. Raises SpeechError."""
    from llama_speech.service.endpoints.app import build_app
    from llama_speech.service.operation.run import warm_up

    args = parse_arguments(arguments)
    service = load_service(args, read_config(args))
    warm_up(service)
    return build_app(service)


def _load_on_vllm(args: argparse.Namespace) -> "tuple[SpeechLlama, Decoder]":
    """The parts that run here, and vLLM for the Llama."""
    from llama_speech.api import ModelParts, SpeechLlama
    from llama_speech.bundle import read_bundle
    from llama_speech.service.models.vllm_decoding import DraftRecognizer, load_without_llama, start_vllm

    if args.recognition != "ctc":
        raise UsageError("--vllm goes with --recognition ctc")
    bundle = read_bundle(args.model)
    loaded, table, folder = load_without_llama(bundle, args.llama)
    recognizer, tokenizer = DraftRecognizer(loaded.recognizer), loaded.tokenizer
    languages = bundle.info.languages
    parts = ModelParts(recognizer, tokenizer.decode, loaded.features, languages, loaded=loaded)
    return SpeechLlama(parts), start_vllm(folder, tokenizer, table, args.vllm)


def load_voice(args: argparse.Namespace) -> "Voice | None":
    """The bundle's voice, or None with a line that says what is missing."""
    try:
        from llama_speech.service.models.voice import BundleVoice
        from llama_speech.speech import VoiceSource, load_speaker

        alone = args.vllm is not None  # the Llama's states stay with vLLM
        source = VoiceSource(args.model, args.llama, use_llama=not alone)
        return BundleVoice(load_speaker(source), by_text=alone)
    except BundleError as error:
        _log.warning("answers are written, not spoken: %s", error)
        return None
