"""The form of the hub: written, loaded by the Auto classes and the pipeline, equal to the bundle."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import llama_speech
from llama_speech.bundle import BundleInfo, read_bundle, write_manifest
from recipes.train_language_model import count
from speech_adapter.model import load_speech_model
from speech_core.audio import load_audio
from speech_core.errors import CheckpointError, InputError

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))
SCORE = {"data": "clips", "system": "llama-speech", "metric": "wer/whisper-en", "rate": 0.5}


@pytest.fixture(scope="module")
def folder(tiny_stack, tmp_path_factory):
    import shutil

    from llama_speech.hub import save_hub

    root = tmp_path_factory.mktemp("hub")
    bundle = Path(shutil.copytree(tiny_stack.bundle, root / "bundle"))
    old = read_bundle(bundle).info
    peer = {**SCORE, "system": "peer", "rate": 0.1}
    write_manifest(bundle, BundleInfo(old.name, old.version, languages=old.languages, scores=(SCORE, peer)))
    return save_hub(root / "form", bundle, tiny_stack.llama)


def test_files(folder):
    names = {path.name for path in folder.iterdir()}
    wanted = {"config.json", "model.safetensors", "generation_config.json", "preprocessor_config.json"}
    assert names >= wanted | {"tokenizer.json", "tokenizer_config.json", "README.md"}
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "llama_speech"
    assert config["architectures"] == ["SpeechLlamaForConditionalGeneration"]
    assert "auto_map" not in config  # no code comes with it


def test_card_has_the_measured_figures(folder):
    lines = (folder / "README.md").read_text().split("---\n")[1].splitlines()  # YAML whose values are JSON
    header = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}
    results = header["model-index"][0]["results"]
    assert [result["metrics"][0]["value"] for result in results] == [50.0]
    assert results[0]["dataset"]["type"] == "clips"
    assert header["pipeline_tag"] == "automatic-speech-recognition"


def test_the_pipeline_gives_the_transcript(folder, tiny_model):
    from transformers import pipeline

    recognizer = pipeline("automatic-speech-recognition", model=str(folder))
    audio = load_audio(SAMPLES[2])
    expected = tiny_model.transcribe(audio, sample_rate=16_000, vad=False).text
    assert recognizer(audio)["text"].strip() == expected
    assert recognizer({"raw": audio, "sampling_rate": 16_000})["text"].strip() == expected


def test_auto_classes(folder, tiny_model):
    import transformers

    from llama_speech.hub import SpeechLlamaForConditionalGeneration, SpeechLlamaProcessor

    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    assert (
        type(model)
        is SpeechLlamaForConditionalGeneration
        is type(transformers.AutoModel.from_pretrained(folder))
    )
    assert isinstance(processor, SpeechLlamaProcessor)
    audios = [load_audio(path) for path in (SAMPLES[2], SAMPLES[0])]
    inputs = processor(audios, sampling_rate=16_000)
    assert inputs["input_features"].shape[:2] == inputs["attention_mask"].shape
    texts = processor.tokenizer.batch_decode(model.generate(**inputs), skip_special_tokens=True)
    expected = [tiny_model.transcribe(audio, sample_rate=16_000, vad=False).text for audio in audios]
    assert [text.strip() for text in texts] == expected
    heard = tiny_model.parts.loaded.recognizer.listen([inputs["input_features"][0, : audios[0].size // 160]])[
        0
    ]
    assert model(**inputs).last_hidden_state.shape[2] == heard.speech.shape[1] == 32
    with pytest.raises(InputError, match="audio is 8000 Hz: resample it to 16000 Hz"):
        processor(audios, sampling_rate=8000)
    with pytest.raises(InputError, match="German is not one this model was trained for"):
        model.generate(**inputs, language="de")


def test_saved_again_it_is_the_same(folder, tmp_path):
    from llama_speech.hub import SpeechLlamaForConditionalGeneration

    model = SpeechLlamaForConditionalGeneration.from_pretrained(folder)
    model.save_pretrained(tmp_path)
    again = SpeechLlamaForConditionalGeneration.from_pretrained(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_it_loads_as_a_whole_model(folder, tiny_model):
    from llama_speech.hub import load_hub

    model = load_hub(folder)
    again = llama_speech.load(folder, device="cpu", dtype="float32")
    assert again.transcribe(SAMPLES[2]).text == model.transcribe(SAMPLES[2]).text
    assert model.languages == ("en", "es")
    assert model.transcribe(SAMPLES[2]).text == tiny_model.transcribe(SAMPLES[2]).text
    assert model.chat([{"role": "user", "content": "Hi"}], max_tokens=3).answer().token_ids


def test_long_audio_is_cut_where_it_is_quiet():
    from llama_speech.hub import _cut

    features = torch.zeros(70, 4)
    features[25], features[48] = -9.0, -8.0
    pieces = _cut(features, 30)
    assert torch.equal(torch.cat(pieces), features)
    assert [len(piece) for piece in pieces][:2] == [25, 23]
    assert max(len(piece) for piece in pieces) <= 30
    assert _cut(torch.zeros(0, 4), 30) == []


def test_silence_and_nothing(folder):
    import transformers

    import llama_speech.hub  # noqa: F401

    model = transformers.AutoModel.from_pretrained(folder)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(np.zeros(0, np.float32), sampling_rate=16_000)
    assert model.generate(**inputs).shape == (1, 0)


def test_weights_of_another_size_are_refused(folder, tmp_path):
    from llama_speech.hub import SpeechLlamaForConditionalGeneration

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["adapter"]["d_feedforward"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not fit its config") as error:
        SpeechLlamaForConditionalGeneration.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


def test_a_language_model_comes_along(tiny_stack, tmp_path):
    import shutil

    from llama_speech.hub import SpeechLlamaForConditionalGeneration, load_hub, save_hub

    bundle = Path(shutil.copytree(tiny_stack.bundle, tmp_path / "bundle"))
    tokens = load_speech_model(bundle, tiny_stack.llama).ctc.token_ids.tolist()
    count([[1, 2, 3], [2, 1], [3, 3, 1]], tokens, 3, 1).save(bundle / "language_model")
    write_manifest(bundle, read_bundle(bundle).info)
    form = save_hub(tmp_path / "form", bundle, tiny_stack.llama)
    model = SpeechLlamaForConditionalGeneration.from_pretrained(form)
    model.save_pretrained(tmp_path / "again")
    again = SpeechLlamaForConditionalGeneration.from_pretrained(tmp_path / "again")
    assert again.language_model.token_ids == tokens
    of_bundle = llama_speech.load(bundle, llama=tiny_stack.llama, device="cpu", dtype="float32")
    expected = of_bundle.transcribe(SAMPLES[2], mode="ctc").text
    assert load_hub(form).transcribe(SAMPLES[2], mode="ctc").text == expected


def test_a_language_model_of_other_classes_is_refused(tiny_stack, tmp_path):
    import shutil

    bundle = Path(shutil.copytree(tiny_stack.bundle, tmp_path / "bundle"))
    count([[1, 2]], [7, 8], 2, 1).save(bundle / "language_model")
    write_manifest(bundle, read_bundle(bundle).info)
    with pytest.raises(CheckpointError, match="another speech_adapter"):
        llama_speech.load(bundle, llama=tiny_stack.llama)
