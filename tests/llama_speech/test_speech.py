import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llama_speech
from llama_speech.bundle import BundleInfo, read_bundle
from llama_speech.speech import Speaker, VoiceSource, load_speaker, whole_phrases
from llama_speech.text_states import TextStates
from prosody.predictor import ProsodyOptions
from speech_core.errors import BundleError, InputError
from tests.llama_speech.tiny_stack import write_bundle
from tests.voice_parts import add_voice, small_parts

INFO = BundleInfo("test", "1")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return add_voice(tmp_path_factory.mktemp("voice"), INFO)


@pytest.fixture(scope="module")
def speaker(bundle):
    return load_speaker(VoiceSource(bundle))


def test_a_text_becomes_sound_with_words(speaker):
    speech = speaker.speak("They stop. The end?")
    assert speech.samples.dtype == np.float32
    assert speech.duration_s == len(speech.samples) / 24_000 > 0.5
    assert [time.word.text for time in speech.words] == ["They", "stop", "The", "end"]


def test_pieces_give_the_sound_of_the_whole(speaker):
    text = "They stop. The end? Five dogs."
    stream = speaker.stream()
    chunks = list(speaker.say(iter(text), stream))
    pieces = np.concatenate([chunk.samples.numpy() for chunk in chunks])
    np.testing.assert_allclose(pieces, speaker.speak(text).samples, atol=1e-4)


@pytest.mark.parametrize("text", ["", "...", " \n"])
def test_nothing_to_say_is_said(speaker, text):
    with pytest.raises(InputError, match="nothing to say"):
        speaker.speak(text)


def test_a_sample_differs_from_the_mean_and_repeats_by_seed(speaker):
    mean = speaker.speak("They stop.").samples
    first, again, other = (
        speaker.speak("They stop.", ProsodyOptions(decoding="sample", seed=seed)).samples
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert len(first) != len(mean) or not np.array_equal(first, mean)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_the_user_lexicon_goes_first(bundle, tmp_path, speaker):
    (tmp_path / "own.txt").write_text("they  S T AA1 P\n", encoding="utf-8")
    own = load_speaker(VoiceSource(bundle, lexicon=tmp_path / "own.txt")).speak("they", keep_phones=True)
    assert [phone.event.phone.symbol for phone in own.phones][1:5] == ["S", "T", "AA1", "P"]


def test_states_of_the_llama_are_used_where_the_prosody_reads_them(tmp_path, tiny_stack):
    states = TextStates.from_folder(tiny_stack.llama, "float32")
    folder = add_voice(tmp_path / "voice", INFO, d_llama=states.engine.d_model)
    with_llama = load_speaker(VoiceSource(folder, tiny_stack.llama))
    without = load_speaker(VoiceSource(folder, use_llama=False))
    heard = [speaker.speak("They stop. The end.") for speaker in (with_llama, without)]
    assert [len(speech.words) for speech in heard] == [4, 4]
    assert len(heard[0].samples) != len(heard[1].samples) or not np.array_equal(
        heard[0].samples, heard[1].samples
    )


def test_a_loaded_model_speaks(tmp_path, tiny_stack):
    folder = write_bundle(tmp_path / "bundle", tiny_stack.llama)
    add_voice(folder, read_bundle(folder).info)
    model = llama_speech.load(folder, tiny_stack.llama, device="cpu", dtype="float32")
    assert model.speaker is model.speaker
    speech = model.speak("They stop.", ProsodyOptions(rate=0.5))
    assert len(speech.samples) > 1.5 * len(model.speak("They stop.").samples)


def test_a_loaded_model_without_a_voice_says_so(tiny_model):
    with pytest.raises(BundleError, match="cannot speak"):
        tiny_model.speak("They stop.")


def test_what_is_missing_is_named(tiny_stack):
    with pytest.raises(
        BundleError, match="cannot speak: it has no pronunciation, prosody, acoustic, vocoder"
    ):
        load_speaker(VoiceSource(tiny_stack.bundle))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="ab .!?\n", max_size=300), max_size=8))
def test_phrases_join_to_the_text_and_do_not_depend_on_pieces(pieces):
    phrases = list(whole_phrases(pieces))
    assert "".join(phrases) == "".join(pieces)
    assert phrases == list(whole_phrases(["".join(pieces)]))
    assert all(0 < len(phrase) <= 400 for phrase in phrases)


def test_long_texts_need_no_more_memory_than_short_ones():
    """Sound comes phrase by phrase; what is waiting stays small."""
    speaker = Speaker(small_parts())
    stream = speaker.stream()
    text = "They could call five dogs and the apple is open. " * 12
    sizes = [len(chunk.samples) for chunk in speaker.say([text], stream)]
    assert max(sizes) < 24_000
    assert sum(sizes) == stream.num_samples
    assert len(stream.word_times) == 120
