"""Everything with tiny Llamas built like 3.1 8B/70B, 3.2 1B/3B and 3.3 70B, and their prompt format."""

import json
from pathlib import Path

import pytest
import torch

import llama_speech
from speech_adapter.engine import RunOptions, TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.llama import load_llama
from speech_adapter.prompts import Speech, Turn, end_of_turn_id, recognition_turns, render
from speech_adapter.tokenizer import ChatTokenizer
from tests.llama_family import FAMILY, SPECIAL
from tests.llama_speech.tiny_stack import write_bundle

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "6880-216547-0000.flac"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HEAD = "<|start_header_id|>{}<|end_header_id|>\n\n"
SYSTEM = HEAD.format("system") + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("family")
    return {name: member.save(root / name) for name, member in FAMILY.items()}


@pytest.mark.parametrize("name", FAMILY)
def test_speech_and_text_go_through(name, folders, tmp_path):
    """Load, transcribe, translate, and chat with speech both ways, as with the default Llama."""
    bundle = write_bundle(tmp_path / "bundle", folders[name])
    model = llama_speech.load(bundle, folders[name], device="cpu", dtype="float32")
    assert model.transcribe(SAMPLE).text
    assert model.translate(SAMPLE, "de").language == "de"
    part = {"type": "input_audio", "input_audio": {"data": SAMPLE}}
    for speech in ("embeds", "transcript"):
        answer = model.chat(
            [{"role": "user", "content": [part]}], speech=speech, max_tokens=4, tools=[WEATHER]
        ).answer()
        assert answer.reason in ("end", "length")


@pytest.mark.parametrize("name", FAMILY)
def test_both_engines_agree(name, folders):
    llama = load_llama(folders[name])
    lean = FastEngine.from_folder(folders[name], "float32")
    inputs = torch.randint(8, 264, (2, 90), generator=torch.Generator().manual_seed(1))
    outputs = [
        engine.run(inputs, options=RunOptions(3, hidden=True)) for engine in (TransformersEngine(llama), lean)
    ]
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(outputs[0].hidden, outputs[1].hidden, atol=2e-3, rtol=1e-3)
    config = llama.model.config
    member = FAMILY[name]
    assert config.num_attention_heads / config.num_key_value_heads == member.num_heads / member.num_kv_heads
    assert config.tie_word_embeddings == member.tied
    assert ("lm_head.weight" in _names(folders[name])) is not member.tied


def _names(folder):
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as tensors:
        return set(tensors.keys())


@pytest.fixture(scope="module")
def tokenizer(folders):
    return ChatTokenizer.from_folder(folders["Llama-3.1-8B"])


def written(tokenizer, pieces):
    """Pieces as text with control tokens, speech as *."""
    backend = tokenizer._backend
    return "".join(
        "*" if isinstance(piece, Speech) else backend.decode(piece, skip_special_tokens=False)
        for piece in pieces
    )


def test_the_prompt_format(tokenizer):
    pieces = render(tokenizer, recognition_turns(Speech(torch.zeros(2, 4)), "en"))
    expected = (
        f"<|begin_of_text|>{SYSTEM}Repeat after me in English:<|eot_id|>{HEAD.format('user')}*<|eot_id|>"
    )
    assert written(tokenizer, pieces) == expected + HEAD.format("assistant")
    dialogue = written(tokenizer, render(tokenizer, [Turn("user", (Speech(torch.zeros(2, 4)), " Really? "))]))
    assert dialogue.startswith(f"<|begin_of_text|>{SYSTEM}<|eot_id|>{HEAD.format('user')}* Really?<|eot_id|>")


def test_end_tokens(tokenizer):
    assert tokenizer.end_ids == {
        SPECIAL.index(token) for token in ("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>")
    }
    assert end_of_turn_id(tokenizer) == SPECIAL.index("<|eot_id|>")


def test_a_call_goes_out_and_its_result_comes_back(tokenizer):
    """A spoken question, the call of a function, its result: as the model was taught to read them."""
    turns = [
        Turn("user", ("Hear: ", Speech(torch.zeros(2, 4)))),
        Turn("assistant", (), ({"name": "weather", "arguments": {"city": "Köln <|eot_id|>"}},)),
        Turn("tool", ('sunny, "21" <|eot_id|>',)),
    ]
    text = written(tokenizer, render(tokenizer, turns, [WEATHER]))
    user, call, result = text.split(HEAD.format("user"))[1].split("<|start_header_id|>")[:3]
    assert user.startswith("Given the following functions, please respond with a JSON for a function call")
    assert json.dumps(WEATHER, indent=4) in user
    assert user.endswith("\n\nHear: *<|eot_id|>")
    arguments = '{"city": "Köln <|eot_id|>"}'
    expected = '{"name": "weather", "parameters": ' + arguments + "}<|eot_id|>"
    assert call == f"assistant<|end_header_id|>\n\n{expected}"
    assert result == 'ipython<|end_header_id|>\n\n"sunny, \\"21\\" <|eot_id|>"<|eot_id|>'
    assert "Environment: ipython\n" in text
    ids = [
        token for piece in render(tokenizer, turns, [WEATHER]) if isinstance(piece, list) for token in piece
    ]
    assert ids.count(SPECIAL.index("<|eot_id|>")) == 4  # those in arguments and result are only letters


def test_calls_of_the_model_are_parsed(folders, tmp_path, monkeypatch):
    """What the Llama writes, decided by a head that writes a call, comes back parsed and goes in again."""
    folder = folders["Llama-3.2-1B"]
    model = llama_speech.load(write_bundle(tmp_path / "b", folder), folder, device="cpu", dtype="float32")
    loaded = model.parts.loaded
    assert loaded is not None
    call = '{"name": "weather", "parameters": {"city": "Rome"}}'
    script = [*loaded.tokenizer.encode("<|python_tag|>" + call), SPECIAL.index("<|eom_id|>")]
    plain, steps = loaded.engine.run, list[int]()

    def run(*args, **kwargs):
        output = plain(*args, **kwargs)
        if output.choices is not None:
            output.choices.token_ids[:, -1] = script[min(len(steps), len(script) - 1)]
            steps.append(1)
        return output

    monkeypatch.setattr(loaded.engine, "run", run)
    messages = [{"role": "user", "content": "Weather in Rome?"}]
    answer = model.chat(messages, tools=[WEATHER]).answer()
    assert [(one.name, one.arguments) for one in answer.tool_calls] == [("weather", {"city": "Rome"})]
    assert answer.reason == "end"
    result = {"role": "tool", "tool_call_id": answer.tool_calls[0].id, "content": "sunny"}
    assert model.chat([*messages, answer.message(), result], tools=[WEATHER]).answer().tool_calls == ()
