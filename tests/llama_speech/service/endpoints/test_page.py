"""The page in headless Chromium with a fake microphone. Runs where Chromium and playwright-core are:

$LLAMA_SPEECH_NODE names the folder with node_modules, $CHROMIUM the browser (default: /usr/bin/chromium).
`pytest --basetemp=DIR` keeps the screenshots.
"""

import os
import re
import wave
from pathlib import Path

import httpx
import pytest

from tests.llama_speech.service.test_stock_clients import (
    CLIENTS,
    NODE,
    parts_of_server,  # noqa: F401
    plain_url,  # noqa: F401
    report_of,
)

PAGE = Path(__file__).resolve().parents[4] / "llama_speech" / "service" / "endpoints" / "page"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not Path(CHROMIUM).exists() or not (NODE / "node_modules" / "playwright-core").is_dir(),
    reason="no Chromium, or no playwright-core in $LLAMA_SPEECH_NODE",
)


def test_all_that_the_page_needs_is_served_by_this_server(server):
    page = httpx.get(server.url).text
    used = set(re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page))
    scripts = (PAGE / name for name in ("main.js", "sound.js"))
    used |= {
        f"page/{name}" for one in scripts for name in re.findall(r'"(?:\./)?(\w+\.js)"', one.read_text())
    }
    assert used == {"page/style.css", "page/main.js", "page/sound.js", "page/microphone.js"}
    for path in used:
        assert httpx.get(f"{server.url}/{path}").status_code == 200


def test_every_control_of_the_page_has_a_name():
    html, script = (PAGE / "index.html").read_text(), (PAGE / "main.js").read_text()
    ids = set(re.findall(r'id="([\w-]+)"', html))
    assert set(re.findall(r'find\("([\w-]+)"\)', script)) <= ids
    for control in re.findall(r"<(?:input|select|textarea|meter)[^>]*>", html):
        name = re.search(r'id="([\w-]+)"', control)
        assert name is not None
        labelled = f'for="{name[1]}"' in html or "aria-label=" in control
        assert labelled or re.search(rf"<label>[^<]*\s*{re.escape(control)}", html), control


@needs_chromium
def test_a_person_talks_interrupts_and_comes_back(plain_url, speech_pcm, tmp_path):  # noqa: F811
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(24_000) + speech_pcm + bytes(48_000 * 2))
    command = ["node", str(CLIENTS / "page_client.cjs"), plain_url, str(microphone), str(tmp_path)]
    report = report_of(command, b"", LLAMA_SPEECH_NODE=str(NODE), CHROMIUM=CHROMIUM)
    assert report["problems"] == []
    assert report["focused"] == "talk-button"
    assert report["first"]["played"] > 0
    kinds = [kind for kind, _ in report["first"]["lines"]]
    assert kinds[:2] == ["user", "assistant"]
    cut = [text for kind, text in report["interrupted"]["lines"] if kind == "assistant unheard"]
    assert cut
    assert cut[0].startswith("word0")
    assert len(cut[0].split()) < 100  # of 400
    before, after = report["first"]["lines"][:2], report["resumed"]["lines"][:2]
    assert before[0] == after[0]
    assert after[1][1].startswith(before[1][1])
    assert any(text == "Are you still there?" for _, text in report["stopped"]["lines"])
    last = [text for kind, text in report["stopped"]["lines"] if kind.startswith("assistant")][-1]
    assert last.startswith("word0")  # the long answer: the server knows that turns came before
    for name in ("light", "dark", "phone"):
        assert report[f"{name}_overflow"] <= 0
        assert report[f"{name}_talk"] > 80
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
