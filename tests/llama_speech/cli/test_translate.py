"""`llama-speech translate` with a tiny stack: the outputs of `transcribe`, in another language."""

import json
from pathlib import Path

import pytest

from llama_speech.cli.main import main
from tests.audio_files import tone, wav_bytes

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "samples").glob("*.flac"))


@pytest.fixture
def translate(tiny_stack, capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: (exit code, standard output, lines of standard error)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.flac").write_bytes(SAMPLES[2].read_bytes())
    (tmp_path / "other.flac").write_bytes(SAMPLES[0].read_bytes())
    (tmp_path / "silence.wav").write_bytes(wav_bytes(tone(1.0, 16000) * 0))
    (tmp_path / "empty.wav").write_bytes(b"")

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(["translate", *arguments, *tiny_stack.options])
        output, errors = capsys.readouterr()
        return code, output, errors.splitlines()

    return run


@pytest.mark.parametrize("method", ["direct", "cascade"])
def test_json(translate, tiny_model, method):
    code, output, errors = translate("clip.flac", "--to", "German", "--method", method, "-f", "json")
    assert (code, errors) == (0, [])
    result = json.loads(output)
    assert result["language"] == "de"
    assert result["text"] == tiny_model.translate(SAMPLES[2], "de", method=method).text


def test_files_in_every_format(translate, tmp_path):
    code, output, errors = translate("clip.flac", "other.flac", "--to=fr", "-f", "all", "-o", "out")
    assert (code, output, errors) == (0, "", [])
    assert len(list((tmp_path / "out").iterdir())) == 12
    assert translate("clip.flac", "--to", "fr", "-f", "all", "-o", "out", "--skip-existing") == (0, "", [])


def test_bad_and_silent_files(translate):
    code, output, errors = translate("empty.wav", "silence.wav", "clip.flac", "--to", "fr", "-f", "jsonl")
    assert code == 1
    assert [json.loads(line)["file"] for line in output.splitlines()] == ["silence.wav", "clip.flac"]
    assert errors == [
        "llama-speech: empty.wav: is empty (0 bytes)",
        "llama-speech: silence.wav: no speech found in 1.0 s",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected_code", "message"),
    [
        (("--to", "klingon"), 2, "language 'klingon' is not known: give a code such as en"),
        (("--to", "da"), 2, "language 'Danish' is not one of the 34 of the prompts"),
        (("--to", "de", "-l", "xx"), 2, "language 'xx' is not known"),
        (("--to", "de", "-l", "nl", "--method", "cascade"), 1, "language Dutch is not one this model was"),
    ],
)
def test_languages_that_cannot_be(translate, arguments, expected_code, message):
    code, output, errors = translate("clip.flac", *arguments)
    assert (code, output, len(errors)) == (expected_code, "", 1)
    assert errors[0].startswith(f"llama-speech: {message}")


def test_the_language_is_required(translate):
    code, _, errors = translate("clip.flac")
    assert code == 2
    assert "--to" in errors[-1]


def test_a_llama_that_was_not_taught_the_language_is_named(tiny_stack, capsys, tmp_path):
    """The manifest of a bundle says what its Llama knows; the note goes to standard error."""
    import shutil

    bundle = shutil.copytree(tiny_stack.bundle, tmp_path / "bundle")
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["llama"] = {"folder": "llama", "languages": ["en"]}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    shutil.copytree(tiny_stack.llama, bundle / "llama")
    from llama_speech.bundle import read_bundle, write_manifest

    write_manifest(bundle, read_bundle(bundle, verify=False).info)
    for options, expected in (("--to de", "hardly taught German: expect little\n"), ("--to en", "")):
        assert main(["translate", str(SAMPLES[2]), "--model", str(bundle), *options.split()]) == 0
        assert capsys.readouterr().err.endswith(expected)


@pytest.mark.parametrize("command", [["translate", "--to", "de"], ["ask"], ["transcribe"]])
def test_folders_that_do_not_fit_get_one_line(command, tiny_stack, capsys, tmp_path):
    """A text-only model in place of the bundle; a bundle for another Llama."""
    from tests.fakes import TinyLlama

    clip = str(SAMPLES[2])
    assert main([*command, clip, "--model", str(tiny_stack.llama), "--llama", str(tiny_stack.llama)]) == 1
    assert capsys.readouterr().err.endswith("looks like a Llama: name it with --llama\n")
    other = TinyLlama(d_model=64, num_heads=4).save(tmp_path / "other")
    assert main([*command, clip, "--model", str(tiny_stack.bundle), "--llama", str(other)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is for a Llama of width 32" in error
    assert error.endswith("has 64: use the one it was trained for\n")
