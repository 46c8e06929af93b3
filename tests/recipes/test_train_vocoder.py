import json

import pytest
import torch

from recipes.train_vocoder import Clip, VocoderTrainer, band_distance, clip_of, main
from speech_synthesis.config import VOCODER_PRESETS, FrameConfig
from speech_synthesis.vocoder import Vocoder, load_vocoder
from tests.voice_parts import typical_frames

CONFIG = FrameConfig()


def noise(seed, level=0.1):
    return level * torch.randn(12_000, generator=torch.Generator().manual_seed(seed))


def test_the_distance_is_of_levels_not_of_samples():
    same, other = band_distance(noise(1), noise(1), CONFIG), band_distance(noise(1), noise(2), CONFIG)
    louder = band_distance(noise(1), noise(2, 1.0), CONFIG)
    assert float(same) == 0
    assert 0 < float(other) < 5
    assert float(louder) == pytest.approx(20, abs=1)


def test_training_moves_the_level_to_that_of_the_sound():
    torch.manual_seed(0)
    vocoder = Vocoder(VOCODER_PRESETS["tiny"])
    frames = typical_frames([180.0] * 40, CONFIG)
    with torch.no_grad():
        louder = frames.clone()
        louder[:, :80] += 1.5
        clip = Clip(frames, vocoder(louder, seed=5))
    trainer = VocoderTrainer(vocoder)
    optimizer = torch.optim.Adam(trainer.parameters(), lr=0.02)
    before = float(trainer([clip])[0].detach())
    for _ in range(25):
        optimizer.zero_grad()
        trainer([clip])[0].backward()
        optimizer.step()
    assert before > 5
    assert float(trainer([clip])[0].detach()) < 0.7 * before


@pytest.mark.slow
def test_the_recipe_learns_and_goes_on(tmp_path):
    pytest.importorskip("hibari")
    from recipes.data.voice_cache import VoiceCache, VoiceCacheWriter, is_dev_text
    from recipes.data.voice_teacher import VoiceTeacher

    teacher = VoiceTeacher()
    names = ("red", "two", "small", "four", "big", "six", "old", "eight", "nine", "ten", "new", "good", "bad")
    texts = [f"The {a} dogs and {b} cats {c}." for a in names for b in names for c in ("ran", "sat")]
    chosen = [next(text for text in texts if is_dev_text(text)), *texts[:3]]
    items = [teacher.speak(text, str(number), seed=number) for number, text in enumerate(chosen)]
    VoiceCacheWriter(tmp_path / "voice").write_shard(0, items)
    clip = clip_of(VoiceCache([tmp_path / "voice"])[0], teacher)
    assert len(clip.sound) == 300 * len(clip.frames)
    run = tmp_path / "run"
    command = ["--voices", str(tmp_path / "voice"), "--run-dir", str(run), "--preset", "tiny"]
    command += ["--learning-rate", "0.01", "--warmup-steps", "1", "--precision", "fp32", "--batch-items", "2"]
    main([*command, "--max-steps", "3", "--crop-frames", "60", "--average-decay", "0.5"])
    main([*command, "--max-steps", "12", "--crop-frames", "60", "--average-decay", "0.5"])
    record = json.loads((run / "export" / "vocoder" / "training.json").read_text(encoding="utf-8"))
    assert record["step"] == 12
    assert record["metrics"]["held_out_decibels"] < record["decibels_without_training"]
    assert load_vocoder(run / "export" / "vocoder").config == VOCODER_PRESETS["tiny"]
