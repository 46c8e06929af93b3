"""The documents of the tree: their code blocks, and how each is meant to be tested.

A comment before a block says how. `<!-- tested -->`: it runs with the shipped weights; `tested without
weights`: it runs and prints what the document says; `tested by make docs-test`: it runs there only; `tested
with a server`: against one. Shell blocks without a mark are parsed by the programs they name.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "RESULTS.md",
    "samples/README.md",
    *PAGES,
]
MADE_PAGES = ("commands.md", "recipes.md", "results.md", "contributing.md", "security.md", "changelog.md")
MARKS = (
    "tested",
    "tested without weights",
    "tested by make docs-test",
    "tested with a server",
)
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a document."""

    document: str
    number: int  # of the block in its document
    language: str
    mark: str | None
    text: str
    after: str  # the rest of the document

    def __str__(self) -> str:
        return f"{self.document}:{self.number}"

    @property
    def output(self) -> str | None:
        """What it prints: "prints `...`", a block of text, or a table behind it; None where none is."""
        behind = self.after.lstrip("\n")
        for pattern in (r"prints `([^`]+)`", r"```text\n(.*?)```", r"((?:\|.*\n)+)"):
            found = re.match(pattern, behind, re.DOTALL if "text" in pattern else 0)
            if found:
                return found.group(1).strip()
        return None


def read(name: str) -> str:
    """Text of a file of the tree."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(language: str, mark: str | None = None, documents: list[str] | None = None) -> list[Block]:
    """Blocks in one language with one mark (None: without any)."""
    return [
        block
        for name in documents or DOCUMENTS
        for block in all_blocks(name)
        if (block.language, block.mark) == (language, mark)
    ]


def all_blocks(name: str) -> list[Block]:
    """Every fenced block of a document."""
    text = read(name)
    return [
        Block(name, number, found["language"], found["mark"], found["text"], text[found.end() + 1 :])
        for number, found in enumerate(_BLOCK.finditer(text), start=1)
    ]


def shell_commands(text: str) -> list[list[str]]:
    """The simple commands of a shell block, without comments, pipes, assignments and here documents."""
    text = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "\n", text.replace("\\\n", " "), flags=re.MULTILINE | re.DOTALL)
    commands = []
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;<>()"):
                commands.append(words)
                words = []
            else:
                words.append(word)
    return [words for words in commands if words]
