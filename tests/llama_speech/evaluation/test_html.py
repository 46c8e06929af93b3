"""Pages: whole by themselves, nothing of a transcript becomes markup, differences are marked."""

from html.parser import HTMLParser

import pytest

from llama_speech.evaluation.charts import Chart, Mark
from llama_speech.evaluation.html import Case, make_page, marked_differences


class Seen(HTMLParser):
    """Tags and what they refer to."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [
            value for name, value in attrs if name in ("href", "src") and not value.startswith("#")
        ]

    def handle_data(self, data):
        self.text += data


def seen(page):
    reader = Seen()
    reader.feed(page)
    return reader


@pytest.mark.parametrize(
    ("reference", "text", "marked"),
    [
        ("the cat sat", "The cat sat", "The cat sat"),
        ("the cat sat", "the bat sat", "the <del>cat</del> <ins>bat</ins> sat"),
        ("the cat", "", "<del>the cat</del>"),
        ("", "uh", "<ins>uh</ins>"),
        ("a", "<b>", "<del>a</del> <ins>&lt;b&gt;</ins>"),
    ],
)
def test_differences_are_marked_word_by_word(reference, text, marked):
    assert marked_differences(reference, text) == marked


def test_a_page_holds_tables_plots_and_cases_and_needs_nothing_else():
    markdown = "# Recognition\n\ntoday\n\n## Rates\n\n| set | rate |\n|---|---|\n| dev | 12.5 |\n"
    chart = Chart("Rates", "%", (Mark("dev", "ours", 12.5, 10.0, 15.0),))
    page = seen(
        make_page("Recognition", markdown, [chart], [Case("dev: 1", "3 errors", "a b", (("ours", "a"),))])
    )
    assert page.links == []
    assert page.tags.count("table") == page.tags.count("svg") == page.tags.count("section") == 1
    assert page.tags.index("h1") < page.tags.index("svg") < page.tags.index("table")
    assert "dev: 1" in page.text
    assert "12.5" in page.text


def test_text_of_data_is_never_markup():
    evil = "<script>alert(1)</script> ![x](http://h/x.png) [y](http://h)"
    chart = Chart(evil, evil, (Mark(evil, evil, 1.0),))
    page = seen(
        make_page(evil, f"# {evil}\n\n- {evil}\n", [chart], [Case(evil, evil, evil, ((evil, evil),))])
    )
    assert not {"script", "img"} & set(page.tags)
    assert page.links == []
    assert "alert(1)" in page.text


def test_an_empty_chart_and_no_title_are_fine():
    page = seen(make_page("Nothing", "no table\n", [Chart("empty", "%", ())]))
    assert "svg" not in page.tags
    assert "Nothing" in page.text
