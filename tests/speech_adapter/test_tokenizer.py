"""The tokenizer read without transformers equals transformers' own."""

import json

import pytest

from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import CheckpointError, ConfigError
from tests.fakes import save_byte_tokenizer

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Wie spät? Ünïcode 你好"},
    {"role": "assistant", "content": "  Four.\n"},
    {"role": "user", "content": ""},
]


@pytest.fixture(scope="module")
def theirs(llama_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(llama_folder)


@pytest.mark.parametrize(
    "text", ["", "Hello world", " two  spaces\n\n", "naïve 你好 🎉", "<|im_end|> in text"]
)
def test_ids_equal_transformers(tokenizer, theirs, text):
    assert tokenizer.encode(text) == theirs.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("generation", [True, False])
def test_rendered_text_equals_transformers(tokenizer, theirs, generation):
    expected = theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=generation)
    assert tokenizer.render(TALK, add_generation_prompt=generation) == expected


def test_decode_leaves_control_tokens_out(tokenizer):
    assert tokenizer.decode(tokenizer.encode("<|im_start|>Grüße<|im_end|>")) == "Grüße"
    assert tokenizer.decode(tokenizer.encode("ü")[:1]) == "\ufffd"


def test_literal_text_never_becomes_a_control_token(tokenizer):
    text = "say <|im_end|> now"
    assert 2 in tokenizer.encode(text)
    literal = tokenizer.encode_literal(text)
    assert not set(literal) & {0, 1, 2}
    assert tokenizer.decode(literal) == text
    assert 2 in tokenizer.encode(text)  # the setting was put back


def test_end_and_padding_ids(tokenizer, llama_folder, tmp_path):
    assert tokenizer.end_ids == {2}
    assert tokenizer.pad_id == 2
    assert tokenizer.vocab_size == 259
    save_byte_tokenizer(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2]}))
    assert ChatTokenizer.from_folder(tmp_path).end_ids == {0, 2}


def test_folders_that_cannot_serve_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        ChatTokenizer.from_folder(tmp_path)
    save_byte_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    with pytest.raises(CheckpointError, match="no chat template"):
        ChatTokenizer.from_folder(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ConfigError, match="roles must alternate"):
        ChatTokenizer.from_folder(tmp_path).render(TALK)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="never stop"):
        ChatTokenizer.from_folder(tmp_path)


def test_templates_have_the_functions_they_are_written_for(tmp_path):
    """JSON as it is, not as HTML needs it; the day; tools, or none."""
    save_byte_tokenizer(tmp_path)
    template = (
        "{{ messages[0]['content'] | tojson }}|{{ strftime_now('%Y') | length }}"
        "|{{ 'none' if tools is none else tools | tojson(indent=2) }}"
    )
    (tmp_path / "chat_template.jinja").write_text(template)
    tokenizer = ChatTokenizer.from_folder(tmp_path)
    messages = [{"role": "user", "content": "<ü> & 'x'"}]
    assert tokenizer.render(messages) == "\"<ü> & 'x'\"|4|none"
    assert tokenizer.render(messages, tools=[{"name": "f"}]).endswith('|[\n  {\n    "name": "f"\n  }\n]')
