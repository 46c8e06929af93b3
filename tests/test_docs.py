"""The documents tell the truth: examples run, links and targets exist, versions agree."""

import contextlib
import functools
import importlib
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "RESULTS.md", "samples/README.md"]
TESTED_BLOCK = re.compile(r"<!-- (tested|tested without weights) -->\n```(\w+)\n(.*?)```", re.DOTALL)


def read(name: str) -> str:
    """Text of a file of the tree."""
    return (ROOT / name).read_text(encoding="utf-8")


def marked_blocks(language: str, mark: str = "tested") -> list[str]:
    """Blocks of README with one mark, in one language."""
    found = TESTED_BLOCK.findall(read("README.md"))
    return [block for its_mark, kind, block in found if (its_mark, kind) == (mark, language)]


@pytest.fixture
def checkout(tmp_path):
    """An empty folder with samples/ and .venv/bin/llama-speech as README's reader has them."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    command = tmp_path / ".venv" / "bin" / "llama-speech"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llama_speech "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run in a folder with the tree on Python's path."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_documents_and_code_name_the_version_of_the_package():
    import llama_speech

    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert llama_speech.__version__ == version
    assert re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[0] == version
    assert re.findall(r"^version: (\S+)$", read("CITATION.cff"), re.MULTILINE) == [version]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(name)):
        if "://" not in target:
            assert (folder / target).exists(), f"{name} links to {target}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_named_in_documents_exist(name):
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)`", read(name)):
        assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_named_in_documents_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", read(name), re.MULTILINE))
    assert named <= targets


def test_options_named_in_readme_exist():
    """Options of `transcribe` in README are options of its help, which goes to standard output."""
    done = run([sys.executable, "-m", "llama_speech", "transcribe", "--help"], ROOT)
    assert done.returncode == 0, done.stderr
    lines = [line for line in read("README.md").splitlines() if "llama-speech transcribe" in line]
    named = {option for line in lines for option in re.findall(r"(?<!\S)--[a-z-]+", line)}
    assert named
    assert {option for option in named if option not in done.stdout} == set()


def recipe_commands() -> list[tuple[str, str, str]]:
    """(document, module, rest of the line) of each `-m recipes.NAME ...` in a document."""
    found = []
    for name in DOCUMENTS:
        text = read(name).replace("\\\n", " ")
        found += [(name, *match) for match in re.findall(r"-m (recipes\.[a-z_]+)([^`\n]*)", text)]
    return found


@functools.cache
def help_of(module: str) -> str:
    """What `python -m MODULE --help` prints; in this process, so that torch is imported once for all."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(["--help"])
    assert ended.value.code == 0
    return printed.getvalue()


@pytest.mark.parametrize(("document", "module", "rest"), recipe_commands())
def test_recipe_commands_in_documents_exist(document, module, rest):
    own = re.sub(r'"[^"]*"', "", rest)  # what stands in quotation marks is meant for another recipe
    named = set(re.findall(r"(?<!\S)--[a-z-]+", own))
    assert {option for option in named if option not in help_of(module)} == set(), document


@pytest.mark.parametrize("block", marked_blocks("sh", "tested without weights"))
def test_shell_examples_print_what_is_said(block, checkout):
    """The line of README behind the block opens with `prints` and the output."""
    promised = re.search(re.escape(block) + r"```\n\nprints `([^`]+)`", read("README.md"))
    assert promised is not None
    done = run(["bash", "-euo", "pipefail", "-c", block], checkout)
    assert (done.returncode, done.stdout.strip()) == (0, promised.group(1)), done.stderr


@pytest.mark.bundle
@pytest.mark.parametrize("block", marked_blocks("sh"))
def test_shell_examples_run(block, checkout):
    for line in block.strip().splitlines():
        done = run(["bash", "-euo", "pipefail", "-c", line], checkout)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        wrote = any((checkout / "transcripts").iterdir()) if "-o transcripts" in line else done.stdout.strip()
        assert wrote, line


@pytest.mark.bundle
@pytest.mark.parametrize("block", marked_blocks("python"))
def test_python_examples_run(block, checkout):
    done = run([sys.executable, "-c", block], checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_readme_has_tested_examples():
    assert marked_blocks("sh")
    assert marked_blocks("sh", "tested without weights")
    assert marked_blocks("python")
