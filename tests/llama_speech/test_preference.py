"""Blind pages: nothing on them tells the systems apart, and answers come back to the right one."""

import json
import re

import pytest

from llama_speech.cli.main import main
from llama_speech.evaluation.preference import (
    Contestant,
    build_page,
    read_answers,
    sign_test,
    to_markdown,
    wilson_interval,
)
from speech_core.errors import InputError

NAMES = [f"clip{number}" for number in range(12)]


@pytest.fixture
def contestants(tmp_path):
    """Two systems whose clips hold their own names."""
    found = []
    for system in ("llama", "phones"):
        (tmp_path / system).mkdir()
        for name in NAMES:
            (tmp_path / system / f"{name}.wav").write_bytes(f"{system} {name}".encode())
        found.append(Contestant(system, tmp_path / system))
    (tmp_path / "llama" / "alone.wav").write_bytes(b"")
    return found[0], found[1]


def answer(path, page, prefer, times=12):
    """A listener who hears who speaks, and prefers one of them the first times, then the other."""
    answers = {}
    for number in range(1, len(NAMES) + 1):
        heard = {
            side: (page / "page" / "clips" / f"{number:03d}-{side}.wav").read_text().split()[0]
            for side in "ab"
        }
        wanted = prefer if number <= times else ({"llama", "phones"} - {prefer}).pop()
        answers[f"{number:03d}"] = next(side for side, system in heard.items() if system == wanted)
    path.write_text(json.dumps({"answers": answers}))


def test_answers_come_back_to_the_right_system(contestants, tmp_path):
    page = tmp_path / "out"
    assert build_page(contestants, page, seed=3) == len(NAMES)
    answer(tmp_path / "a.json", page, "phones", times=9)
    result = read_answers(page, [tmp_path / "a.json"])
    assert (result.first, result.wins_first, result.wins_second) == ("llama", 3, 9)
    assert result.share == 0.25
    assert result.low < 0.25 < result.high
    assert "| llama | phones | 25.0 % |" in to_markdown(result)
    assert "60.0 %" in to_markdown(result)


def test_the_page_names_no_system_and_plays_every_pair(contestants, tmp_path):
    build_page(contestants, tmp_path / "out", {"clip0": "Is <this> it?"}, seed=1)
    text = (tmp_path / "out" / "page" / "index.html").read_text()
    assert "llama" not in text
    assert "phones" not in text.replace("headphones", "")
    assert "Is &lt;this&gt; it?" in text
    played = re.findall(r'src="clips/([^"]+)"', text)
    assert len(set(played)) == 2 * len(NAMES)
    assert all((tmp_path / "out" / "page" / "clips" / name).is_file() for name in played)
    assert not list((tmp_path / "out" / "page").rglob("key.json"))


def test_sides_and_order_follow_the_seed(contestants, tmp_path):
    keys = []
    for number, seed in enumerate((1, 1, 2)):
        build_page(contestants, tmp_path / f"out{number}", seed=seed)
        keys.append(json.loads((tmp_path / f"out{number}" / "key.json").read_text())["pairs"])
    assert keys[0] == keys[1] != keys[2]
    assert 0 < sum(pair["a"] == "llama" for pair in keys[0]) < len(NAMES)
    assert [pair["clip"] for pair in keys[0]] != sorted(NAMES)


def test_ties_count_for_neither(contestants, tmp_path):
    build_page(contestants, tmp_path / "out")
    answers = {"001": "none", "002": "a", "003": "none"}
    (tmp_path / "a.json").write_text(json.dumps({"answers": answers}))
    result = read_answers(tmp_path / "out", [tmp_path / "a.json"])
    assert (result.wins_first + result.wins_second, result.ties) == (1, 2)


@pytest.mark.parametrize("text", ["{}", "no json", '{"answers": {"001": "c"}}', '{"answers": {"099": "a"}}'])
def test_other_files_are_refused(contestants, tmp_path, text):
    build_page(contestants, tmp_path / "out")
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="no answers"):
        read_answers(tmp_path / "out", [tmp_path / "a.json"])


def test_no_preference_at_all_is_said(contestants, tmp_path):
    build_page(contestants, tmp_path / "out")
    (tmp_path / "a.json").write_text('{"answers": {"001": "none"}}')
    with pytest.raises(InputError, match="nobody"):
        read_answers(tmp_path / "out", [tmp_path / "a.json"])


def test_systems_without_common_clips_are_refused(contestants, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="share no clip"):
        build_page((contestants[0], Contestant("x", tmp_path / "empty")), tmp_path / "out")
    build_page(contestants, tmp_path / "out")
    with pytest.raises(InputError, match="not empty"):
        build_page(contestants, tmp_path / "out")


def test_the_interval_is_wilsons():
    """Newcombe (1998), table I: 81 of 263 and 15 of 148; no win of 20."""
    for wins, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ):
        assert wilson_interval(wins, total) == pytest.approx((low, high), abs=1e-4)


def test_the_sign_test_by_hand():
    assert sign_test(5, 5) == 1.0
    assert sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(9, 1) == sign_test(1, 9) == pytest.approx(22 / 1024)


def test_the_command(contestants, tmp_path, capsys):
    page = tmp_path / "out"
    systems = [f"--system={one.name}={one.folder}" for one in contestants]
    assert main(["evaluate", "preference", str(page), *systems]) == 0
    assert capsys.readouterr().out == ""
    answer(tmp_path / "a.json", page, "llama")
    assert main(["evaluate", "preference", str(page), "--answers", str(tmp_path / "a.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wins_first"] == len(NAMES)
    assert main(["evaluate", "preference", str(page)]) == 2
    for texts in ("[1]", "no JSON"):
        (tmp_path / "texts.json").write_text(texts)
        assert (
            main(["evaluate", "preference", str(page), *systems, "--texts", str(tmp_path / "texts.json")])
            == 2
        )
