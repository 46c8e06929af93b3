import json
from dataclasses import replace

import numpy as np
import pytest

from recipes.data.voice_cache import VoiceCache
from recipes.prepare_voice import main, plot_items, problem, voicing
from tests.voice_items import make_item

SENTENCES = [
    "The small dog slept in the sun.", "She wanted a cup of tea.", "Where did they go last night?",
    "We can see the river from here.", "His brother plays the old piano.", "Bring me the big red book.",
    "Nobody heard the rain, but it fell.", "The train will leave at noon.",
]  # fmt: skip


def test_implausible_items_are_left_out():
    item = replace(make_item(1), extra={"voicing": 0.9})
    assert problem(item) is None
    assert problem(replace(item, extra={"voicing": 0.3})) == "voiced where it should not be"
    long = item.durations.copy()
    long[2] = 200
    assert problem(replace(item, durations=long)) == "a phone is too long"
    assert problem(replace(item, log_f0=np.full_like(item.log_f0, np.nan))) == "without pitch"


def test_voicing_compares_pitch_with_phones():
    item = make_item(4)
    voiced = np.repeat([p not in (0, *item.phones[:0]) for p in item.phones], item.durations)
    all_voiced = replace(item, f0_hz=np.where(voiced, 100.0, 0.0).astype(np.float32))
    none = replace(item, f0_hz=np.zeros_like(item.f0_hz))
    assert voicing(all_voiced, item.durations) + voicing(none, item.durations) == pytest.approx(1.0)


@pytest.mark.slow
def test_the_recipe_speaks_aligns_and_goes_on(tmp_path):
    pytest.importorskip("hibari")
    (tmp_path / "text" / "sentences").mkdir(parents=True)
    import gzip

    with gzip.open(tmp_path / "text" / "sentences" / "en.txt.gz", "wt", encoding="utf-8") as out:
        out.write("\n".join(SENTENCES))
    command = ["--text-dir", str(tmp_path / "text"), "--out", str(tmp_path / "voice"), "--shard-items", "4"]
    command += ["--sources", "common-voice-sentences", "--aligner-items", "8"]
    main([*command, "--hours", "0.001"])
    first = VoiceCache([tmp_path / "voice"])
    main([*command, "--hours", "1"])
    cache = VoiceCache([tmp_path / "voice"])
    assert len(first) < len(cache) <= len(SENTENCES)
    assert [item.id for item in cache][: len(first)] == [item.id for item in first]
    for item in cache:
        item.check()
        assert item.text in SENTENCES
        assert item.extra["voicing"] > 0.6
    report = json.loads((tmp_path / "voice" / "report.json").read_text(encoding="utf-8"))
    assert report["items"] == len(cache)
    if pytest.importorskip("matplotlib"):
        plot_items(cache, tmp_path / "plots", 1)
        assert len(list((tmp_path / "plots").glob("*.png"))) == 1
