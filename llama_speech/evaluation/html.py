"""A report as one HTML file that needs nothing else: its Markdown, plots, and the worst items.

Texts of data and systems are escaped everywhere: a page never runs or loads what a transcript says.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from llama_speech.evaluation.charts import Chart, draw
from speech_core.errors import ConfigError


@dataclass(frozen=True)
class Case:
    """One item to look at. note: its score in words; texts: (system, what it wrote); differs: mark words
    that differ from the reference.
    """

    name: str
    note: str
    reference: str
    texts: tuple[tuple[str, str], ...]
    differs: bool = True


def marked_differences(reference: str, text: str) -> str:
    """A text as HTML: words that the reference has not in `ins`, words it lacks in `del`, case ignored."""
    wanted, got = reference.split(), text.split()
    matcher = SequenceMatcher(
        None, [word.casefold() for word in wanted], [word.casefold() for word in got], autojunk=False
    )
    parts = []
    for kind, start, end, first, last in matcher.get_opcodes():
        gone, new = html.escape(" ".join(wanted[start:end])), html.escape(" ".join(got[first:last]))
        if kind == "equal":
            parts.append(new)
            continue
        parts += [f"<del>{gone}</del>"] if gone else []
        parts += [f"<ins>{new}</ins>"] if new else []
    return " ".join(parts)


def _case(case: Case) -> str:
    rows = [f"<dt>reference</dt><dd>{html.escape(case.reference) or '<i>nothing</i>'}</dd>"]
    for name, text in case.texts:
        shown = marked_differences(case.reference, text) if case.differs else html.escape(text)
        rows.append(f"<dt>{html.escape(name)}</dt><dd>{shown or '<i>nothing</i>'}</dd>")
    head = f"<h3>{html.escape(case.name)} <small>{html.escape(case.note)}</small></h3>"
    return f"<section>{head}<dl>{''.join(rows)}</dl></section>"


def _markdown(text: str) -> str:
    """Markdown with tables as HTML; HTML in it is shown as text, links and pictures are not made."""
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise ConfigError("markdown-it-py is not installed: pip install 'llama-speech[eval]'") from None
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    made = str(reader.render(text))
    return made.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def _before_tables(markdown: str) -> tuple[str, str]:
    """The text before the first heading or table, and the rest."""
    lines = markdown.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.startswith(("#", "|"))), len(lines))
    return "".join(lines[:start]), "".join(lines[start:])


def make_page(title: str, markdown: str, charts: Sequence[Chart] = (), cases: Sequence[Case] = ()) -> str:
    """Return the page of a report. The Markdown's first heading is the page's. Raises ConfigError without the
    libraries of the extra `eval`.
    """
    first, _, rest = markdown.partition("\n") if markdown.startswith("# ") else (f"# {title}", "", markdown)
    figures = "".join(
        f"<figure><figcaption>{html.escape(chart.title)}</figcaption>{draw(chart)}</figure>"
        for chart in charts
        if chart.marks
    )
    worst = ""
    if cases:
        worst = '<h2 id="worst">Worst items</h2>' + "".join(_case(case) for case in cases)
    opening, tables = _before_tables(rest)
    body = f"{_markdown(first)}{_markdown(opening)}{figures}{_markdown(tables)}{worst}"
    return _PAGE.replace("{title}", html.escape(title)).replace("{body}", body)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root { color-scheme: light dark; --page: #fff; --ink: #1c2126; --soft: #5b6570; --line: #d8dde2;
  --row: #f4f6f8; --new: #0a7d38; --gone: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171a; --ink: #e4e7ea; --soft: #9aa4ae; --line: #363d44; --row: #1d2226;
    --new: #5fd08a; --gone: #ff8a80; } }
body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; }
small { color: var(--soft); font-weight: normal; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem .3rem 0;
  text-align: left; white-space: nowrap; }
tbody tr:hover { background: var(--row); }
code { font-size: .8rem; overflow-wrap: anywhere; background: var(--row); padding: .1rem .25rem; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .1rem 1rem; margin: 0; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; }
section { border-top: 1px solid var(--line); padding-bottom: .6rem; }
ins { color: var(--new); text-decoration: none; font-weight: 600; } del { color: var(--gone); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
</style>
</head>
<body>
{body}
</body>
</html>
"""
