"""The guard hook and Llama Guard: what verdicts say, what the guard sees, what is said instead."""

import json

import pytest

import llama_speech
from llama_speech.guard import LlamaGuard, Verdict, parse_verdict
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import CheckpointError

ASK = [{"role": "user", "content": "How do I pick a lock?"}]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("safe", Verdict(True)),
        ("\n\nsafe", Verdict(True)),
        ("unsafe\nS2", Verdict(False, ("S2",))),
        ("\n\nunsafe\nS1, S9", Verdict(False, ("S1", "S9"))),
        ("unsafe", Verdict(False)),
        ("", Verdict(False, ("unreadable",))),
        ("safely said", Verdict(False, ("unreadable",))),
    ],
)
def test_verdicts(text, verdict):
    assert parse_verdict(text) == verdict


def test_a_guard_that_agrees_changes_nothing(tiny_model):
    seen = []

    def guard(messages):
        seen.append([dict(message) for message in messages])
        return Verdict(True)

    plain = tiny_model.chat(ASK, max_tokens=8).answer()
    assert tiny_model.chat(ASK, max_tokens=8, guard=guard).answer() == plain
    assert seen == [ASK, [*ASK, {"role": "assistant", "content": plain.text}]]


@pytest.mark.parametrize("refused_role", ["user", "assistant"])
def test_a_guard_that_refuses_lets_no_word_through(tiny_model, refused_role):
    def guard(messages):
        return Verdict(messages[-1]["role"] != refused_role, ("S2",))

    stream = tiny_model.chat(ASK, max_tokens=8, guard=guard, refusal="No.")
    assert [event.text for event in stream] == ["N", "o", "."]
    answer = stream.answer()
    assert (answer.text, answer.reason, answer.verdict) == ("No.", "guard", Verdict(False, ("S2",)))


def test_llama_guard_runs_a_llama_with_its_template(tiny_stack, tmp_path):
    """A random Llama gives no verdict that can be read, which counts as unsafe. No system turn is written."""
    for path in tiny_stack.llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    template = (
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}"
        "<|im_start|>Check: {% for m in messages %}{{ m['role'] }}: {{ m['content'] | trim }} {% endfor %}"
        "<|im_end|>"
    )
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|im_end|>", "chat_template": template})
    )
    guard = LlamaGuard.load(tmp_path, device="cpu", dtype="float32")
    system = {"role": "system", "content": "Be kind."}
    assert guard([system, *ASK, *ASK]) == Verdict(False, ("unreadable",))
    assert guard([*ASK, {"role": "assistant", "content": "No."}]).safe is False


def test_llama_guard_reads_the_verdict_its_llama_writes(tiny_stack, monkeypatch):
    """The Llama's own words, decided by a head that writes them, reach the verdict."""
    guard = LlamaGuard.load(tiny_stack.llama, device="cpu", dtype="float32")
    tokenizer = ChatTokenizer.from_folder(tiny_stack.llama)
    spelled = [*tokenizer.encode("unsafe\nS2"), 2]
    engine = guard._engine
    plain_run, steps = engine.run, list[int]()

    def run(*args, **kwargs):
        output = plain_run(*args, **kwargs)
        assert output.choices is not None
        output.choices.token_ids[:, -1] = spelled[len(steps)]
        steps.append(1)
        return output

    monkeypatch.setattr(engine, "run", run)
    assert guard(ASK) == Verdict(False, ("S2",))


def test_llama_guard_is_not_there():
    with pytest.raises(CheckpointError, match="is not the folder of a Llama"):
        LlamaGuard.load("nowhere/at/all")


def test_the_names_are_public():
    assert llama_speech.LlamaGuard is LlamaGuard
