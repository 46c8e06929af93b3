"""A whole stack of the real parts, tiny and with random weights: a Llama folder and a bundle for it."""

from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

from llama_speech.bundle import BundleInfo, write_manifest
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS
from speech_adapter.ctc import CtcHead
from speech_adapter.model import SpeechModel, read_token_embeddings, save_speech_model
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests.fakes import TinyLlama


def write_llama(folder: Path) -> Path:
    """A two-layer LlamaForCausalLM over bytes, with a chat template."""
    return TinyLlama().save(folder)


def write_bundle(folder: Path, llama: Path, seed: int = 3) -> Path:
    """A bundle of tiny encoder, adapter and CTC head that hears letters and spaces at random."""
    torch.manual_seed(seed)
    embeddings = read_token_embeddings(llama)
    config = replace(ADAPTER_PRESETS["tiny"], d_llama=embeddings.shape[1])
    ctc = CtcHead(config.ctc_vocabulary, config.d_llama)
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    letters = [tokenizer.token_to_id(letter) for letter in "ĠabcdefghijklmnopqrstuvwxyzĠ.,'"]
    ctc.token_ids.copy_(torch.tensor((letters * 4)[: config.ctc_vocabulary]))
    ctc.bind(embeddings)
    ctc.start(torch.ones(config.ctc_vocabulary), blank_share=0.3)
    model = SpeechModel(SpeechEncoder(ENCODER_PRESETS["tiny"]), SpeechAdapter(config), ctc)
    save_speech_model(folder, model.eval(), {"data": "none"})
    write_manifest(folder, BundleInfo("tiny", "0", languages=("en", "es")))
    return folder
