"""Features to text: the Llama's own greedy answer, the same in any batch; nothing heard, nothing said."""

import pytest
import torch

from recipes.train_language_model import count
from speech_adapter import agreement as agreement_rules
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.agreement import likeness
from speech_adapter.beam_search import BeamOptions
from speech_adapter.config import ADAPTER_PRESETS, AdapterConfig
from speech_adapter.ctc import CtcHead
from speech_adapter.engine import TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.prompts import Speech, recognition_turns, render
from speech_adapter.recognizer import RecognizerOptions, SpeechRecognizer
from speech_adapter.rescoring import RescoringOptions
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import speech_token_limit
from speech_core.errors import InputError
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder

PLAIN = AdapterConfig(d_encoder=32, d_model=32, d_feedforward=64, num_heads=2, d_llama=32, ctc_vocabulary=64)


class CountingEngine:
    """An engine that counts its runs."""

    def __init__(self, engine):
        self.engine, self.runs = engine, 0

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def run(self, *args, **options):
        self.runs += 1
        return self.engine.run(*args, **options)


@pytest.fixture(params=["none", "ctc"])
def parts(request, llama):
    """Encoder, adapter and CTC head with random weights; the head speaks letters."""
    torch.manual_seed(11)
    config = PLAIN if request.param == "none" else ADAPTER_PRESETS["tiny"]
    encoder, adapter = SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(config)
    adapter.match_scale(llama.embedding_table)
    ctc = CtcHead(config.ctc_vocabulary, config.d_llama)
    ctc.token_ids.copy_(torch.arange(60, 60 + config.ctc_vocabulary))
    ctc.bind(llama.embedding_table)
    ctc.start(torch.ones(config.ctc_vocabulary), blank_share=0.02)
    return encoder, adapter, ctc


def make(parts, engine, tokenizer, options=None):
    encoder, adapter, ctc = parts
    return SpeechRecognizer(encoder, adapter, ctc, engine, tokenizer, options)


@pytest.fixture
def recognizer(parts, llama, llama_folder, tokenizer):
    return make(parts, FastEngine.from_folder(llama_folder, "float32"), tokenizer)


@pytest.fixture(scope="module")
def features():
    generator = torch.Generator().manual_seed(2)
    return [3 * torch.randn(frames, 80, generator=generator) for frames in (90, 17, 240, 33, 150)]


def assert_same(one, other):
    assert (one.text, one.token_ids) == (other.text, other.token_ids)
    for name in ("token_log_probs", "no_speech_prob", "avg_logprob"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=2e-3)
    for span, expected in zip(one.token_times_s, other.token_times_s, strict=True):
        assert span == pytest.approx(expected)


def test_the_llamas_greedy_answer(recognizer, parts, llama, tokenizer, features):
    """Against transformers' own generation over the whole conversation: no draft, batch or shared prompt."""
    encoder, adapter, ctc = parts
    results = recognizer.transcribe(features)
    assert len({result.text for result in results}) == len(features)
    for segment, result in zip(features, results, strict=True):
        with torch.inference_mode():
            embeds, positions = adapter(*encoder(segment[None], torch.tensor([len(segment)])))
            if adapter.config.compression == "ctc":
                embeds, _ = ctc.compress(ctc.log_probs(embeds), positions)
            pieces = render(tokenizer, recognition_turns(Speech(embeds[0]), "English"))
            item = build_sequence(pieces, llama.embed, adapter.boundaries)
            limit = speech_token_limit(len(segment) / 100)
            said = llama.model.generate(
                inputs_embeds=item.embeds[None], max_new_tokens=limit, do_sample=False, pad_token_id=2
            )
        whole = [token for token in said[0].tolist() if token != 2]
        # a loop is cut to its first round, so the answer may be the beginning of the endless one
        assert result.token_ids == whole[: len(result.token_ids)]
        assert len(result.token_ids) > 0


@pytest.mark.parametrize("mode", ["llama", "ctc"])
def test_batch_equals_single(recognizer, features, mode):
    together = recognizer.transcribe(features, mode=mode)
    for segment, result in zip(features, together, strict=True):
        assert_same(recognizer.transcribe([segment], mode=mode)[0], result)


def test_bounds_on_memory_change_nothing(parts, llama, tokenizer, features):
    engine = TransformersEngine(llama)
    wide = make(parts, engine, tokenizer).transcribe(features)
    options = RecognizerOptions(batch_frames=100, batch_positions=30)
    narrow = make(parts, engine, tokenizer, options).transcribe(features)
    for one, other in zip(wide, narrow, strict=True):
        assert_same(one, other)


def test_ctc_mode_is_the_draft_without_the_llama(parts, llama, tokenizer, features):
    encoder, adapter, ctc = parts
    engine = CountingEngine(TransformersEngine(llama))
    results = make(parts, engine, tokenizer).transcribe(features, mode="ctc")
    assert engine.runs == 0
    for segment, result in zip(features, results, strict=True):
        with torch.inference_mode():
            embeds, positions = adapter(*encoder(segment[None], torch.tensor([len(segment)])))
            draft = ctc.greedy(ctc.log_probs(embeds), positions)[0]
        assert result.token_ids == draft.token_ids
        assert result.text == tokenizer.decode(draft.token_ids).strip()
        assert result.avg_logprob == pytest.approx(sum(draft.log_probs) / len(draft.log_probs), abs=1e-4)


def test_nothing_heard_is_nothing_said(parts, llama, tokenizer, features):
    """Blanks everywhere: no words, and the Llama is not asked for them."""
    parts[2].bias.data[0] = 1e4
    engine = CountingEngine(TransformersEngine(llama))
    recognizer = make(parts, engine, tokenizer)
    for result in recognizer.transcribe([*features, torch.zeros(0, 80)]):
        assert (result.text, result.token_ids, result.token_times_s) == ("", [], [])
        assert result.no_speech_prob == pytest.approx(1.0)
        assert result.avg_logprob == 0.0
    assert engine.runs <= 1  # the prompt at most


def test_times_lie_within_the_segment(recognizer, features):
    for segment, result in zip(features, recognizer.transcribe(features), strict=True):
        assert len(result.token_times_s) == len(result.token_ids) == len(result.token_log_probs)
        edges = [edge for span in result.token_times_s for edge in span]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(segment) / 100 for edge in edges)
        assert 0 <= result.no_speech_prob <= 1


def test_position_is_what_one_output_covers(recognizer, parts):
    assert recognizer.position_s == pytest.approx(0.04 * parts[1].config.stride)


def test_languages_have_prompts_of_their_own(recognizer, features):
    english = recognizer.transcribe(features[:1], "en")[0]
    assert_same(recognizer.transcribe(features[:1], "English")[0], english)
    assert recognizer.transcribe(features[:1], "Thai")[0].token_ids != english.token_ids
    with pytest.raises(InputError, match="Klingon"):
        recognizer.transcribe(features[:1], "Klingon")


def test_no_segments_and_empty_segments(recognizer):
    assert recognizer.transcribe([]) == []
    assert [result.text for result in recognizer.transcribe([torch.zeros(0, 80)] * 2)] == ["", ""]


def test_bad_input_is_refused(recognizer):
    with pytest.raises(InputError, match=r"\(5, 79\)"):
        recognizer.transcribe([torch.zeros(5, 79)])
    with pytest.raises(InputError, match="'fast'"):
        recognizer.transcribe([torch.zeros(5, 80)], mode="fast")


def test_an_answer_unlike_the_draft_gives_way_to_it(recognizer, parts, llama_folder, tokenizer, features):
    """A random Llama repeats nothing: with the rail every result is the draft, without it none need be."""
    engine = FastEngine.from_folder(llama_folder, "float32")
    railed = make(parts, engine, tokenizer, RecognizerOptions(agreement=1.0))
    drafts = recognizer.transcribe(features, mode="ctc")
    answers = recognizer.transcribe(features)
    kept = railed.transcribe(features)
    assert [one.text for one in answers] != [one.text for one in drafts]
    for draft, answer, one in zip(drafts, answers, kept, strict=True):
        assert one.text in (draft.text, answer.text)
        assert likeness(one.text, draft.text) == 1.0


@pytest.mark.parametrize("agreement", [0.02, 0.1, 0.3])
def test_answers_given_up_early_change_no_result(
    parts, llama_folder, tokenizer, features, agreement, monkeypatch
):
    def results(engine):
        return make(parts, engine, tokenizer, RecognizerOptions(agreement=agreement)).transcribe(features)

    quick, whole = (CountingEngine(FastEngine.from_folder(llama_folder, "float32")) for _ in range(2))
    found = results(quick)
    monkeypatch.setattr(agreement_rules, "most_likeness", lambda begun, draft: 1.0)
    for one, other in zip(found, results(whole), strict=True):
        assert_same(one, other)
    assert quick.runs <= whole.runs
    if agreement == 0.3 and parts[1].config.compression == "none":
        assert quick.runs < whole.runs


def test_the_llama_helps_to_choose_the_draft(parts, llama, tokenizer, features):
    """Another draft than the beam's first where the Llama finds it likelier; alone and in a batch."""
    ctc = parts[2]
    classes = list(range(1, len(ctc.token_ids) + 1))
    model = count([classes, classes[::-1]], ctc.token_ids.tolist(), 2, 1)
    engine = TransformersEngine(llama)
    beam = BeamOptions(weight=0.05, prior=0.0, bonus=0.0)
    heavy = RescoringOptions(weight=5.0, margin=50.0)
    drafts = {}
    for name, rescoring in (("none", RescoringOptions(most_texts=0)), ("llama", heavy)):
        # the rail keeps the draft: the answers of random weights are nothing to compare
        options = RecognizerOptions(agreement=1.1, language_model=model, beam=beam, rescoring=rescoring)
        recognizer = make(parts, engine, tokenizer, options)
        drafts[name] = recognizer.transcribe(features)
        assert [one.text for one in recognizer.transcribe(features, mode="ctc")] == [
            one.text for one in drafts["none"]
        ]
        for segment, together in zip(features, drafts[name], strict=True):
            assert recognizer.transcribe([segment])[0].text == together.text
    assert [one.text for one in drafts["llama"]] != [one.text for one in drafts["none"]]
