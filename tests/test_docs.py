"""The documents tell the truth: commands are understood, links and files exist, versions agree."""

import ast
import contextlib
import functools
import importlib
import io
import re
import tomllib
from unittest import mock

import pytest

from recipes.loop import options
from tests.documents import (
    DOCUMENTS,
    MADE_PAGES,
    MARKS,
    PAGES,
    ROOT,
    all_blocks,
    blocks,
    read,
    shell_commands,
)


def test_documents_and_code_name_the_version_of_the_package():
    import llama_speech

    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert llama_speech.__version__ == version
    assert re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[0] == version
    assert re.findall(r"^version: (\S+)$", read("CITATION.cff"), re.MULTILINE) == [version]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    folder = (ROOT / name).parent
    for target, place in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", read(name)):
        if "://" in target or (name in PAGES and target in MADE_PAGES):
            continue
        there = folder / target if target else ROOT / name
        assert there.exists(), f"{name} links to {target}"
        if place and there.suffix == ".md":
            assert place in headings(there.read_text(encoding="utf-8")), f"{name} links to {target}#{place}"


def headings(text: str) -> set[str]:
    """The anchors of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_named_in_documents_exist(name):
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)`", read(name)):
        if (ROOT / path.split("/")[0]).is_dir() and not path.startswith("build/"):
            assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_named_in_documents_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", read(name)))
    for block in all_blocks(name):
        if block.language == "sh":
            named |= {words[1] for words in shell_commands(block.text) if words[0] == "make"}
    assert named <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_extras_named_in_documents_exist(name):
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    named = re.findall(r"pip install '(?:llama-speech|\.)\[([\w,]+)\]'", read(name))
    assert {extra for one in named for extra in one.split(",")} <= set(extras)


def program_calls() -> list[tuple[str, tuple[str, ...]]]:
    """(document, words) of every call of llama-speech and of a recipe in a shell block, marked or not."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for name in DOCUMENTS:
        for block in all_blocks(name):
            for words in shell_commands(block.text) if block.language == "sh" else []:
                module = next((word for word in words if word.startswith("recipes.")), None)
                if words[0].endswith("llama-speech"):
                    found[(name, ("llama-speech", *words[1:]))] = None
                elif module and "-m" in words:
                    found[(name, tuple(words[words.index(module) :]))] = None
    return list(found)


class UnderstoodError(Exception):
    """Raised when a command line has been parsed, before anything is done."""


@pytest.mark.parametrize(("document", "words"), program_calls(), ids=lambda value: "".join(value)[:60])
def test_commands_in_documents_are_understood(document, words):
    """By the program's own parser, up to the point where work would begin."""
    assert refused(*words) is None, document


def refused(program: str, *arguments: str) -> str | None:
    """What the program's parser says against the arguments; None: nothing."""
    printed = io.StringIO()
    parse = parse_command if program == "llama-speech" else functools.partial(parse_recipe, program)
    try:
        with contextlib.redirect_stderr(printed):
            parse(list(arguments))
    except SystemExit as ended:
        return printed.getvalue() if ended.code else None
    except UnderstoodError:
        return None
    return None


def parse_command(arguments: list[str]) -> None:
    from llama_speech.cli.main import build_parser, hyphenated

    hyphens = hyphenated(arguments)
    build_parser(hyphens).parse_args(hyphens)


def parse_recipe(module: str, arguments: list[str]) -> None:
    """Its options as a checked record; for the recipes with a parser of their own, its parser alone."""
    original = options._build

    def build(cls, values):
        made = original(cls, values)
        if cls.__name__ != "LoopConfig" and cls.__name__ != "MixtureConfig":
            raise UnderstoodError
        return made

    recipe = importlib.import_module(module)
    own_parser = "argparse" in vars(recipe)
    with mock.patch.object(options, "_build", build), contextlib.ExitStack() as stack:
        if own_parser:
            parse_args = recipe.argparse.ArgumentParser.parse_args

            def parsed(self, *given, **named):
                parse_args(self, *given, **named)
                raise UnderstoodError

            stack.enter_context(mock.patch.object(recipe.argparse.ArgumentParser, "parse_args", parsed))
        recipe.main(list(arguments))


@pytest.mark.parametrize(
    "command",
    [
        "recipes.pretrain_encoder --caches A --run-dir R --max-steps 3 --learning-rate 1 --max-stepz 3",
        "recipes.pretrain_encoder --caches A --run-dir R --max-steps 0 --learning-rate 1",
        "recipes.prepare_speech --out A --vews 3",
        "llama-speech transcribe a.wav --langage en",
    ],
)
def test_a_wrong_command_is_seen(command):
    assert "error:" in (refused(*command.split()) or "")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_are_marked_as_tested_or_can_be_parsed(name):
    for block in all_blocks(name):
        assert block.mark is None or block.mark in MARKS, f"{block}: {block.mark}"
        if block.language == "python":
            assert block.mark, f"{block} is not tested: mark it"
            ast.parse(block.text)
        if block.mark == "tested without weights" and block.language == "sh":
            assert block.output, f"{block} does not say what it prints"


def test_accelerate_takes_the_settings_of_the_documents(tmp_path):
    from accelerate.commands.config.config_args import ClusterConfig

    from speech_encoder import conformer

    settings = blocks("yaml", documents=["docs/training.md"])
    assert len(settings) == 2
    for block in settings:
        path = tmp_path / "accelerate.yaml"
        path.write_text(block.text)
        config = ClusterConfig.from_yaml_file(path)
        wrapped = config.fsdp_config.get("fsdp_transformer_layer_cls_to_wrap")
        assert wrapped is None or hasattr(conformer, wrapped)


def test_messages_in_the_documents_are_those_of_the_code():
    """The first column of troubleshooting is found in the sources; messages of others are listed here."""
    foreign = {"OSError", "Could not import module 'LlamaForCausalLM'", "No module named 'recipes'"}
    packages = ("llama_speech", "speech_core", "speech_adapter", "recipes")
    sources = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in [*sources, ROOT / "scripts" / "make-venv"])
    quoted = [
        message
        for row in re.findall(r"^\| (.*?) \| ", read("docs/troubleshooting.md"), re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", row)
    ]
    assert len(quoted) > 10
    for message in set(quoted) - foreign:
        for part in message.split("..."):
            assert part.strip() in code, message


def test_every_limit_of_the_service_is_explained_with_its_default():
    from dataclasses import asdict

    from llama_speech.service.operation.config import Limits

    units = {"h": 3600, "min": 60, "MiB": 1 << 20}
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) ?(\w*).* \| ", read("docs/serving.md"), re.MULTILINE)
    explained = {name: int(number.replace(",", "")) * units.get(unit, 1) for name, number, unit in rows}
    assert explained == asdict(Limits())


def test_every_page_is_in_the_menu_and_every_task_is_explained():
    from llama_speech.cli.main import build_parser

    menu = read("mkdocs.yml").partition("\nnav:")[2]
    assert set(re.findall(r": (\S+\.md)$", menu, re.MULTILINE)) == {
        *(name.removeprefix("docs/") for name in PAGES),
        *MADE_PAGES,
    }
    commands = next(a for a in build_parser(["evaluate"])._actions if a.dest == "command").choices
    tasks = next(a for a in commands["evaluate"]._actions if a.dest == "task").choices
    for task in tasks:
        assert f"evaluate {task}" in read("docs/evaluation.md"), task
