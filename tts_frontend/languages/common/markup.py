"""Markdown as chat models write it: its marks are not said, its words are."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.common.chunks import in_electronic

MARKUP = RuleSet("markup", checked=False)


def _emphasis_score(m: Match) -> float:
    opens = m.precedes(re.compile(r"[\w\"'“(\[$#`]")) and m.follows(re.compile(r"(?:^|[\s(\[\"'“*_~—–-])$"))
    closes = m.follows(re.compile(r"[\w.,;:!?)\]\"'”%`]$")) and m.precedes(
        re.compile(r"[\s.,;:!?)\]\"'”*_~—–-]|$")
    )
    if opens or closes:
        return 5.5 if not in_electronic(m) else 1.0
    return 2.0 if len(m.text) > 1 else 0.2


@MARKUP.rule(r"\*{1,3}|_{1,3}|~~", "*_~", _emphasis_score, cases=[("**", ""), ("_", "")])
def emphasis(m: Match) -> str | None:
    """The marks of emphasis: "**bold**" is "bold"; between numbers a star is an operator."""
    between = m.follows(re.compile(r"[\d)] ?$")) and m.precedes(re.compile(r" ?[\d(]"))
    return None if between and len(m.text) == 1 else ""


@MARKUP.rule(r"#{1,6}[ \t]+", "#", 8.0, cases=[("## ", "")])
def heading(m: Match) -> str | None:
    """The mark of a heading at the start of a line: "# Title" is "Title"."""
    return "" if m.view.at_line_start else None


@MARKUP.rule(
    r"[-*+•‣◦][ \t]+(?:\[[ xX]\][ \t]+)?",
    "-*+.",
    7.0,
    cases=[("{- }item", ""), ("{* }item", ""), ("{- [x] }done", "")],
)
def bullet(m: Match) -> str | None:
    """The mark of a list item at the start of a line."""
    return (
        ""
        if m.view.at_line_start
        and m.after.strip()
        and (m.text[0] not in "-" or not re.match(r"\d+(?:\.\d+)?\s*(?:$|\n)", m.after))
        else None
    )


@MARKUP.rule(r">+[ \t]*", ">", 7.0, cases=[("> ", "")])
def quotation(m: Match) -> str | None:
    """The mark of a quoted line."""
    return "" if m.view.at_line_start else None


@MARKUP.rule(r"(?:-{3,}|\*{3,}|_{3,}|={3,})(?=[ \t]*(?:\n|$))", "-*_=", 9.0, cases=[("---", "")])
def line(m: Match) -> str | None:
    """A line drawn across the page, or under a heading."""
    return "" if m.view.at_line_start else None


@MARKUP.rule(r"```+[\w+#.-]*[ \t]*(?=\n|$)|~~~+(?=\n|$)|```+", "`~", 9.0, cases=[("```python", "")])
def fence(m: Match) -> str:
    """The mark that opens or closes a block of code, with the name of its language."""
    return ""


@MARKUP.rule(r"`{1,2}", "`", 5.0, cases=[("`", "")])
def backquote(m: Match) -> str:
    """The marks of code within a line; what they hold is read."""
    return ""


@MARKUP.rule(
    r"!?\[",
    "![",
    lambda m: 6.0 if re.match(r"[^\]\n]{1,300}\](?:\(|\[)", m.after) else 0.1,
    cases=[("{[}text](u)", ""), ("{![}text](u)", "")],
)
def link_open(m: Match) -> str:
    """The mark before the words of a link or the description of an image."""
    return ""


@MARKUP.rule(
    r"\](?:\([^()\s]{0,600}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?(?: \"[^\"\n]{0,200}\")?\)|"
    r"\[[^\]\n]{0,100}\])",
    "]",
    7.0,
    cases=[("](https://a.b/c)", "")],
)
def link_target(m: Match) -> str:
    """The address behind the words of a link: the words are read, the address is not."""
    return ""


@MARKUP.rule(
    r"\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?(?=[ \t]*(?:\n|$))",
    "|:-",
    8.0,
    cases=[("|---|---|", "")],
)
def table_rule(m: Match) -> str | None:
    """The line under the heads of a table."""
    return "" if m.view.at_line_start and "|" in m.text else None


@MARKUP.rule(
    r"\|",
    "|",
    lambda m: (
        4.0
        if m.view.at_line_start or m.precedes(re.compile(r"[ \t]*(?:\n|$| )")) or m.follows(re.compile(r" $"))
        else 0.9
    ),
    cases=[("a {|} b", ","), ("|", "")],
)
def table_cell(m: Match) -> str:
    """The edge of a table cell: a pause between cells, nothing at the edge of the table."""
    return "" if m.view.at_line_start or m.precedes(re.compile(r"[ \t]*(?:\n|$)")) else ","


@MARKUP.rule(
    r"</?[A-Za-z][A-Za-z0-9]{0,10}(?:[ \t][^<>\n]{0,200})?/?>",
    "<",
    lambda m: (
        6.0
        if re.match(
            r"</?(?:br|hr|p|b|i|u|em|strong|sub|sup|div|span|code|pre|ul|ol|li|a|td|tr|th|table|"
            r"details|summary)\b",
            m.text,
        )
        and not m.follows(re.compile(r"(?i:tags?) $"))
        else 0.5
    ),
    cases=[("<br/>", ""), ("</b>", "")],
)
def html_tag(m: Match) -> str:
    """A tag of HTML that only formats."""
    return ""


@MARKUP.rule(
    r"<(?=/?[A-Za-z][^<>\n]{0,80}>)|(?<=\w)/?>|(?<=\")>",
    "</>",
    lambda m: 5.0 if m.text == "<" or "<" in m.before[-90:] else 0.1,
    cases=[("{<}note>", "")],
)
def tag_mark(m: Match) -> str:
    """The marks of any other tag: its words are read, the marks are not."""
    return ""


@MARKUP.rule(r"\\(?=[^\w\s])", "\\", 2.0, cases=[("{\\}*", "")])
def escape(m: Match) -> str:
    """A backslash that keeps the next mark from being a mark."""
    return ""
