import argparse
import json
import subprocess
import sys

import pytest

from llama_speech.cli import serve
from llama_speech.cli._options import UsageError
from llama_speech.cli.main import main
from llama_speech.service.operation import latency
from speech_core.errors import ConfigError
from tests.llama_speech.service.conftest import make_service


def config_of(*arguments):
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return serve.read_config(parser.parse_args(arguments))


def test_options_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("LLAMA_SPEECH_SERVE_PORT", "9000")
    monkeypatch.setenv("LLAMA_SPEECH_SERVE_MAX_SESSIONS", "3")
    config = config_of(
        "--max-sessions", "2", "--origin", "https://a.example", "--origin", "https://b.example"
    )
    assert (config.port, config.limits.max_sessions) == (9000, 2)
    assert config.origins == ("https://a.example", "https://b.example")
    assert (config.host, config.api_keys) == ("127.0.0.1", ())


def test_the_lead_of_the_sound_is_an_option():
    assert config_of().lead_ms == 80
    assert config_of("--lead-ms", "200").lead_ms == 200
    with pytest.raises(ConfigError, match="lead_ms is 0"):
        config_of("--lead-ms", "0")


def test_latencies_are_written_after_each_load(tiny_engine, tiny_model, tmp_path, monkeypatch, capsys):
    """Questions of tones are no speech, so nobody answers: that is told, and soon."""
    monkeypatch.setattr(latency, "_PATIENCE_S", 0.3)
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    report = tmp_path / "report.json"
    wanted = ["--sessions", "1,2", "--turns", "1", "--json", "--output", str(report)]
    service = make_service(tiny_engine, tiny_model)
    serve._check(service, parser.parse_args(wanted))
    service.close()
    assert report.read_text() == capsys.readouterr().out
    loads = json.loads(report.read_text())["latency"]
    assert [(one["sessions"], one["turns"], one["late"]) for one in loads] == [(1, 1, 1), (2, 2, 2)]


def test_an_open_door_has_to_be_asked_for(tmp_path):
    with pytest.raises(UsageError, match="--api-key-file, or --insecure"):
        config_of("--host", "0.0.0.0")
    assert config_of("--host", "0.0.0.0", "--insecure").api_keys == ()
    keys = tmp_path / "keys"
    keys.write_text("# ours\none\n\n two \n")
    assert config_of("--host", "0.0.0.0", "--api-key-file", str(keys)).api_keys == ("one", "two")


@pytest.mark.parametrize("content", [None, "", "# none\n", "schlüssel\n"])
def test_a_file_without_keys_is_no_lock(tmp_path, content):
    keys = tmp_path / "keys"
    if content is not None:
        keys.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="keys"):
        config_of("--api-key-file", str(keys))


def test_loads_and_engine_options_are_read():
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    args = parser.parse_args(["--sessions", "1,2,8", "--vllm", '{"tensor_parallel_size": 2}'])
    assert (args.sessions, args.vllm) == ((1, 2, 8), {"tensor_parallel_size": 2})
    for wrong in (["--sessions", "1,x"], ["--sessions", "0"], ["--vllm", "[]"], ["--vllm", "{"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)


def test_vllm_reads_no_words_by_the_llama(tiny_stack):
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    args = parser.parse_args([*tiny_stack.options, "--vllm", "{}", "--recognition", "llama"])
    with pytest.raises(UsageError, match="--recognition ctc"):
        serve.load_service(args, config_of())


def test_half_a_certificate_is_refused():
    with pytest.raises(ConfigError, match="go together"):
        config_of("--tls-cert", "a.pem")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-l", "klingon"], "language 'klingon' is not known"),
        (["--port", "99999"], "port is 99999: use 0 to 65535"),
        (["--session-s", "nan"], "session_s is nan: it must be above 0"),
        (["--self-check", "--output", "nowhere/x.json"], "there is no folder nowhere"),
    ],
)
def test_wrong_values_are_seen_before_models_are_loaded(capsys, arguments, message):
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_self_check_runs_as_a_command(tiny_stack):
    command = [
        sys.executable,
        "-m",
        "llama_speech",
        "serve",
        "--self-check",
        "--port",
        "0",
        *tiny_stack.options,
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert "answer complete" in result.stdout
    assert "answers are written, not spoken" in result.stderr
