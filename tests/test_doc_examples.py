"""Examples of the documents run, and print what the documents say; the site builds and is whole.

Those marked `docs` take long and are left out unless asked for: `make docs-test`.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.documents import ROOT, blocks

pytest.importorskip("mkdocs")


@pytest.fixture
def checkout(tmp_path):
    """A folder with samples/ and the commands of .venv/bin, as a reader of the documents has them."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name, call in (("llama-speech", "-m llama_speech "), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call}"$@"\n')
        (folder / name).chmod(0o755)
    return tmp_path


def run(command, folder):
    """Run in a folder with the tree on Python's path and .venv active."""
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_lines(block, folder):
    """Each line of a shell block by itself; every one prints something or writes a file."""
    for line in block.text.replace("\\\n", " ").strip().splitlines():
        before = set(folder.iterdir())
        done = run(["bash", "-euo", "pipefail", "-c", line], folder)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout.strip() or set(folder.iterdir()) - before, line


def run_python(block, folder):
    done = run([sys.executable, "-c", block.text], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("block", blocks("sh", "tested without weights"), ids=str)
def test_shell_examples_print_what_is_said(block, checkout):
    done = run(["bash", "-euo", "pipefail", "-c", block.text], checkout)
    assert (done.returncode, done.stdout.strip()) == (0, block.output), done.stderr


@pytest.mark.bundle
@pytest.mark.parametrize("block", blocks("sh", "tested"), ids=str)
def test_shell_examples_run(block, checkout):
    run_lines(block, checkout)


@pytest.mark.bundle
@pytest.mark.parametrize("block", blocks("python", "tested"), ids=str)
def test_python_examples_run(block, checkout):
    run_python(block, checkout)


@pytest.mark.docs
@pytest.mark.parametrize("block", blocks("sh", "tested by make docs-test"), ids=str)
def test_long_shell_examples_run(block, checkout):
    if "<<" in block.text:
        done = run(["bash", "-euo", "pipefail", "-c", block.text], checkout)
        assert done.returncode == 0, done.stderr
    else:
        run_lines(block, checkout)


@pytest.mark.docs
@pytest.mark.parametrize("block", blocks("python", "tested by make docs-test"), ids=str)
def test_long_python_examples_run(block, checkout):
    run_python(block, checkout)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe|source)[^>]*(?:src|href)=\"?(https?:[^\" >]+)", text)
        assert loaded == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\"?https?:", style.read_text(encoding="utf-8")), style.name


def test_the_site_holds_what_is_made_from_the_code(site):
    commands = (site / "commands.html").read_text(encoding="utf-8")
    assert "usage: llama-speech transcribe" in commands
    assert "usage: llama-speech evaluate asr" in commands
    assert "usage: python -m recipes.finetune_speech" in (site / "recipes.html").read_text(encoding="utf-8")
    python = (site / "python.html").read_text(encoding="utf-8")
    assert "transcribe_each" in python
    assert "StreamClosedError" in python
    assert "<svg" in (site / "how-it-works.html").read_text(encoding="utf-8")
    assert "Recognition, English" in (site / "results.html").read_text(encoding="utf-8")
