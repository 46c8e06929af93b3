"""Pages of the documentation that are made, not written: a hook of mkdocs (see mkdocs.yml).

The references of commands and recipes come from their parsers, the pages about the project from files of the
root. Pictures in SVG are put into the page, so that they take the colours of the theme.
"""

import argparse
import contextlib
import importlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
ROOT_PAGES = {  # file of the root -> page
    "RESULTS.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
HELP_COLUMNS = "100"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that have no file in docs/."""
    for name, page in ROOT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_root_links(text)))
    files.append(File.generated(config, "commands.md", content=command_page()))
    files.append(File.generated(config, "recipes.md", content=recipe_page()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the root to their pages, and put pictures into the page."""
    for name, target in ROOT_PAGES.items():
        markdown = markdown.replace(f"](../{name}", f"]({target}")
    markdown = re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"`\1`", markdown)  # files without a page
    return re.sub(r"!\[[^\]]*\]\(([\w-]+\.svg)\)", lambda found: _picture(found.group(1)), markdown)


def _root_links(text: str) -> str:
    """Links of a file of the root, as a page of docs/ has them."""
    text = re.sub(r"\]\((?!\w+:|#|docs/)([^)]+)\)", r"](../\1)", text)
    return text.replace("](docs/", "](")


def _picture(name: str) -> str:
    svg = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return f'<div class="picture">{" ".join(svg.split())}</div>'


def command_page() -> str:
    """Every command with the help its parser prints."""
    from llama_speech.cli.main import build_parser

    parts = [
        "# Command line",
        "Made from the parser. Options may be spelled with hyphens or underscores. Standard output carries "
        "results only. Exit status: 0 all done, 1 something failed, 2 wrong usage, 130 interrupted.",
    ]
    with _columns():
        for name, parser in _leaves(build_parser([]), "llama-speech"):
            parts += [f"## {name}", f"```text\n{parser.format_help()}```"]
    return "\n\n".join(parts) + "\n"


def _leaves(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """(words typed, parser) of each command that has no commands of its own."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for word, child in action.choices.items():
            yield from _leaves(child, f"{name} {word}")


def recipe_page() -> str:
    """Every recipe with the help it prints."""
    parts = [
        "# Recipes",
        "Made from the parsers. They run from a checkout after `make dev`: `python -m recipes.NAME`; with "
        "several GPUs the training ones by `accelerate launch -m recipes.NAME`.",
    ]
    with _columns():
        for path in sorted((ROOT / "recipes").glob("[a-z]*.py")):
            runs = "__main__" in path.read_text(encoding="utf-8")
            if runs and not path.stem.endswith("_worker"):  # started by another recipe
                parts += [f"## {path.stem}", f"```text\n{recipe_help(path.stem)}```"]
    return "\n\n".join(parts) + "\n"


def recipe_help(name: str) -> str:
    """What `python -m recipes.NAME --help` prints."""
    main: Any = importlib.import_module(f"recipes.{name}").main
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main(["--help"])
    return re.sub(r"^usage: \S+", f"usage: python -m recipes.{name}", printed.getvalue())


@contextlib.contextmanager
def _columns() -> Iterator[None]:
    """Help as wide on every machine."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = HELP_COLUMNS
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
