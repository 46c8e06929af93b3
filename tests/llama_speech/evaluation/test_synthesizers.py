import shutil
import sys

import numpy as np
import pytest

from llama_speech.evaluation.synthesizers import Ours, make_synthesizer
from llama_speech.speech import Speaker
from speech_core.errors import ConfigError, InputError
from tests.voice_parts import small_parts

WRITER = (
    "import sys, wave; w = wave.open(sys.argv[2], 'wb'); w.setparams((1, 2, 24000, 0, 'NONE', '')); "
    "w.writeframes(bytes(2 * 100 * len(sys.argv[1]))); w.close()"
)


def test_our_voice_tells_its_phones_and_times():
    spoken = Ours(Speaker(small_parts())).speak("They stop.")
    assert spoken.sample_rate == 24_000
    assert len(spoken.samples) > 5000
    assert 0 < spoken.first_s <= spoken.wall_s
    assert [phone.event.phone.symbol for phone in spoken.phones][1:2] == ["DH"]


def test_what_cannot_be_spoken_is_named():
    with pytest.raises(InputError, match="nothing was spoken"):
        Ours(Speaker(small_parts())).speak("...")


def test_any_program_that_writes_a_file(tmp_path):
    (tmp_path / "writer.py").write_text(WRITER, encoding="utf-8")
    peer = make_synthesizer(f"command:{sys.executable} {tmp_path / 'writer.py'} {{text}} {{out}}")
    spoken = peer.speak("It's a {strange} text; really")
    assert spoken.samples.shape == (100 * 29,)
    assert spoken.first_s == spoken.wall_s > 0


def test_a_failing_program_is_an_error_of_the_sentence():
    with pytest.raises(InputError, match="failed on"):
        make_synthesizer("command:false {text} {out}").speak("hello")


@pytest.mark.parametrize("name", ["flite", "espeak-ng"])
def test_installed_programs_speak(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    spoken = make_synthesizer(name).speak("hello there")
    assert 0.3 < len(spoken.samples) / spoken.sample_rate < 3
    assert np.abs(spoken.samples).max() > 0.01


@pytest.mark.parametrize("name", ["nobody", "command:say hello"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ConfigError, match="unknown"):
        make_synthesizer(name)


def test_a_missing_program_is_named():
    with pytest.raises(ConfigError, match="no-such-program is not installed"):
        make_synthesizer("command:no-such-program {text} {out}").speak("hello")
