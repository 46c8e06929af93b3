"""Plots: values and intervals are in the picture, ids are unique, colours are the page's."""

import re
import xml.etree.ElementTree as ET

from llama_speech.evaluation.charts import INK, MOST_ROWS, Chart, Mark, draw


def parse(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [element.text for element in parse(svg).iter() if element.tag.endswith("text")]


ROWS = Chart(
    "Errors",
    "%",
    (Mark("one", "ours", 20.0, 10.0, 40.0), Mark("one", "peer", 5.0), Mark("two", "ours", 30.0)),
)
LINES = Chart("Speed", "s", (Mark("1", "ours", 2.0), Mark("8", "ours", 9.0)), (1.0, 8.0), "at once")


def test_groups_series_and_axis_are_written_as_text():
    assert {"one", "two", "ours", "peer", "%"} <= set(texts(draw(ROWS)))
    assert {"at once", "s"} <= set(texts(draw(LINES)))


def test_dots_stand_where_their_values_are():
    """Places of the dots are proportional to the values: 20, 30 and the peer's 5."""
    places = [float(x) for x in re.findall(r'<use [^>]*?x="([\d.]+)" y="[\d.]+" style="fill: #', draw(ROWS))]
    ours_one, ours_two, peer = places[0], places[1], places[2]
    assert abs((ours_two - ours_one) / (ours_one - peer) - 10 / 15) < 1e-3


def test_the_page_decides_the_colour_of_the_ink():
    svg = draw(ROWS)
    assert INK not in svg
    assert "currentColor" in svg
    assert "DejaVu" not in svg


def test_ids_of_two_plots_do_not_clash_and_links_lead_somewhere():
    ids = [re.findall(r'\bid="([^"]+)"', draw(chart)) for chart in (ROWS, LINES)]
    assert not set(ids[0]) & set(ids[1])
    svg = draw(ROWS)
    targets = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
    assert targets
    assert {first or second for first, second in targets} <= set(ids[0])


def test_the_same_numbers_give_the_same_bytes_and_many_rows_are_cut():
    assert draw(ROWS) == draw(ROWS)
    many = Chart("many", "%", tuple(Mark(f"set {number}", "ours", 1.0) for number in range(MOST_ROWS + 5)))
    assert f"set {MOST_ROWS - 1}" in texts(draw(many))
    assert f"set {MOST_ROWS}" not in texts(draw(many))
