"""The form of the Hugging Face hub: `import llama_speech.hub`, and the Auto classes know our models.

    config.json               sizes of encoder and adapter, features, languages, which Llama
    model.safetensors         encoder, adapter and CTC head; the Llama is named, not copied
    generation_config.json    end-of-turn tokens
    preprocessor_config.json  log-mel features
    tokenizer.json ...        of the Llama
    README.md                 model card with measured figures

Nothing in such a folder is executed. With speech_adapter/llama.py the only file that imports transformers,
since what the Auto classes know must be made of its classes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
from transformers.utils import cached_file

from llama_speech.bundle import Bundle, BundleInfo, read_bundle
from llama_speech.hub_card import model_card
from llama_speech.loading import (
    LANGUAGE_MODEL,
    LoadedModel,
    Placement,
    joined,
    language_model,
    llama_source,
    load_llama_parts,
)
from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import AdapterConfig
from speech_adapter.ctc import CtcHead
from speech_adapter.language_model import LanguageModel
from speech_adapter.model import SpeechModel, load_speech_model
from speech_core.checkpoint import config_from_dict, config_to_dict, weights_storage
from speech_core.errors import CheckpointError, InputError
from speech_encoder.config import EncoderConfig, FeatureConfig
from speech_encoder.conformer import SpeechEncoder
from speech_encoder.features import log_mel

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama

MODEL_TYPE = "llama_speech"
LLAMA_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
LONGEST_S = 30.0  # audio handed to `generate` is cut in such pieces, at their quietest place


class SpeechLlamaConfig(transformers.PretrainedConfig):  # type: ignore[misc]  # base is Any to mypy
    """Sizes, and the Llama: {"package": ...}, or {"source": folder or hub id}."""

    model_type = MODEL_TYPE

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        adapter: dict[str, Any] | None = None,
        llama: dict[str, Any] | None = None,
        languages: Sequence[str] = ("en",),
        **more: Any,
    ) -> None:
        self.encoder = encoder or config_to_dict(EncoderConfig())
        self.adapter = adapter or config_to_dict(AdapterConfig())
        self.llama = llama or {}
        self.languages = list(languages)
        super().__init__(**more)


class SpeechLlamaFeatureExtractor(transformers.SequenceFeatureExtractor):  # type: ignore[misc]  # base is Any to mypy
    """Audio to log-mel features, as the encoder was trained on them."""

    model_input_names = ("input_features", "attention_mask")

    def __init__(self, features: dict[str, Any] | None = None, **more: Any) -> None:
        self.features = features or config_to_dict(FeatureConfig())
        self._config = config_from_dict(FeatureConfig, self.features)
        more.update(feature_size=self._config.num_mels, sampling_rate=self._config.sample_rate)
        more.setdefault("padding_value", 0.0)
        super().__init__(**more)

    def __call__(
        self, raw_speech: Any, sampling_rate: int | None = None, **more: Any
    ) -> transformers.BatchFeature:
        """input_features (batch, frames, mels) and attention_mask (batch, frames), zero-padded.

        raw_speech: (samples,) float32, or a list of such, at `sampling_rate` Hz. Raises InputError for
        another rate.
        """
        if sampling_rate not in (None, self._config.sample_rate):
            raise InputError(f"audio is {sampling_rate} Hz: resample it to {self._config.sample_rate} Hz")
        several = isinstance(raw_speech, list | tuple)
        audios = [
            torch.as_tensor(audio, dtype=torch.float32) for audio in (raw_speech if several else [raw_speech])
        ]
        items = [log_mel(audio, self._config) for audio in audios]
        lengths = torch.tensor([len(item) for item in items])
        padded = torch.nn.utils.rnn.pad_sequence(items, batch_first=True)
        mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
        return transformers.BatchFeature({"input_features": padded, "attention_mask": mask.long()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for preprocessor_config.json."""
        values: dict[str, Any] = super().to_dict()
        values.pop("_config", None)
        return values


class SpeechLlamaProcessor(transformers.ProcessorMixin):  # type: ignore[misc]  # base is Any to mypy
    """Features for the audio that goes in, the Llama's tokenizer for what comes out."""

    def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, **more: Any) -> None:
        super().__init__(feature_extractor, tokenizer, **more)

    def __call__(
        self, audio: Any, sampling_rate: int | None = None, **more: Any
    ) -> transformers.BatchFeature:
        """See SpeechLlamaFeatureExtractor."""
        return self.feature_extractor(audio, sampling_rate=sampling_rate, **more)


class SpeechLlamaForConditionalGeneration(transformers.PreTrainedModel):  # type: ignore[misc]  # base is Any to mypy
    """Encoder, adapter and CTC head; `generate` transcribes through the Llama the config names.

    The Llama is loaded at the first `generate` and is no part of the weights.
    """

    config_class = SpeechLlamaConfig
    main_input_name = "input_features"

    def __init__(self, config: SpeechLlamaConfig) -> None:
        super().__init__(config)
        sizes = config_from_dict(AdapterConfig, config.adapter)
        self.encoder = SpeechEncoder(config_from_dict(EncoderConfig, config.encoder))
        self.adapter = SpeechAdapter(sizes)
        self.ctc = CtcHead(sizes.ctc_vocabulary, sizes.d_llama)
        self.language_model: LanguageModel | None = None  # beside the weights, in a folder of its own
        self._loaded: LoadedModel | None = None
        self.post_init()

    @classmethod
    def can_generate(cls) -> bool:
        """Whether pipelines may call `generate`."""
        return True

    def _init_weights(self, module: Any) -> None:
        """Each part has initialised itself."""

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *args: Any, **more: Any
    ) -> SpeechLlamaForConditionalGeneration:
        """From a folder or a hub id. Raises CheckpointError for weights that do not fit the config."""
        from safetensors.torch import load_file

        config = more.get("config") or SpeechLlamaConfig.from_pretrained(pretrained_model_name_or_path)
        model = cls(config)
        weights = load_file(str(cached_file(pretrained_model_name_or_path, "model.safetensors")))
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise CheckpointError(
                f"{pretrained_model_name_or_path} does not fit its config: {reason}"
            ) from None
        model.generation_config = _generation_config(pretrained_model_name_or_path)
        model.language_model = _language_model(pretrained_model_name_or_path)
        ready: SpeechLlamaForConditionalGeneration = model.eval()
        return ready

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **more: Any) -> None:
        """Weights and config as always, and the language model."""
        super().save_pretrained(save_directory, *args, **more)
        if self.language_model:
            self.language_model.save(Path(save_directory) / LANGUAGE_MODEL)

    def forward(self, input_features: Tensor, attention_mask: Tensor | None = None, **more: Any) -> Any:
        """What the Llama is given of speech: last_hidden_state (batch, positions, d_llama)."""
        lengths = _lengths(input_features, attention_mask)
        embeds, _ = SpeechModel(self.encoder, self.adapter, self.ctc)(input_features, lengths)
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=embeds)

    @torch.inference_mode()
    def generate(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        language: str = "en",
        **more: Any,
    ) -> Tensor:
        """Token ids of the transcripts, (batch, tokens), padded at the end.

        Decoding is greedy and checked against the CTC draft; other settings of generation do not apply.
        """
        from llama_speech.languages import require_language

        loaded = self.loaded(Placement(str(self.device)))
        name = require_language(language, tuple(self.config.languages)).name
        lengths = _lengths(input_features, attention_mask)
        pieces, owners = list[Tensor](), list[int]()
        for row, length in enumerate(lengths.tolist()):
            for piece in _cut(input_features[row, :length].float().cpu(), self._frames(LONGEST_S)):
                pieces.append(piece)
                owners.append(row)
        answers: list[list[int]] = [[] for _ in lengths]
        for row, result in zip(owners, loaded.recognizer.transcribe(pieces, name), strict=True):
            joint = loaded.tokenizer.encode(" ") if answers[row] and result.token_ids else []
            answers[row] += [*joint, *result.token_ids]
        longest = max(map(len, answers), default=0)
        padded = [[*ids, *[loaded.tokenizer.pad_id] * (longest - len(ids))] for ids in answers]
        return torch.tensor(padded, dtype=torch.int64).view(len(answers), longest)

    def loaded(self, placement: Placement, llama: str | os.PathLike[str] | None = None) -> LoadedModel:
        """The recognizer with its Llama, loaded at the first call; llama: another than the config names."""
        if self._loaded is None:
            named = self.config.llama
            bundle = Bundle(Path(self.config.name_or_path or "."), BundleInfo("hub", "0", llama=named), {})
            source = llama_source(bundle, llama if llama is not None else named.get("source"))
            engine, tokenizer, embeddings = load_llama_parts(source, placement)
            self.ctc.bind(embeddings())
            speech = SpeechModel(self.encoder, self.adapter, self.ctc)
            self._loaded = joined(speech, engine, tokenizer, self.language_model)
        return self._loaded

    def _frames(self, seconds: float) -> int:
        return int(seconds * self.encoder.config.features.frame_rate_hz)


def _lengths(features: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        return mask.sum(-1)
    return torch.full((len(features),), features.shape[1], device=features.device)


def _cut(features: Tensor, longest: int) -> list[Tensor]:
    """Features (frames, mels) in pieces of at most `longest` frames, cut where it is quietest."""
    pieces = []
    while len(features) > longest:
        place = longest // 2 + int(features[longest // 2 : longest].mean(1).argmin())
        pieces.append(features[:place])
        features = features[place:]
    return [*pieces, features] if len(features) else pieces


def _generation_config(source: str | os.PathLike[str]) -> Any:
    try:
        return transformers.GenerationConfig.from_pretrained(source)
    except OSError:
        return transformers.GenerationConfig()


def _language_model(source: str | os.PathLike[str]) -> LanguageModel | None:
    """That in a folder or a hub repository, if there is one."""
    found = [
        cached_file(source, f"{LANGUAGE_MODEL}/{name}", _raise_exceptions_for_missing_entries=False)
        for name in LanguageModel.FILES
    ]
    return LanguageModel.load(Path(str(found[0])).parent) if all(found) else None


def save_hub(
    folder: str | os.PathLike[str],
    bundle: str | os.PathLike[str] | None = None,
    llama: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a bundle (default: the shipped one) in the form of the hub; returns the folder.

    llama: folder or hub id of the Llama to name instead of the bundle's own. Raises BundleError or
    CheckpointError.
    """
    from safetensors.torch import save_file

    opened, folder = read_bundle(bundle), Path(folder)
    tokenizer_folder, embeddings = _llama_files(llama_source(opened, llama))
    speech = load_speech_model(opened.folder, embeddings)
    named = {"source": str(llama)} if llama is not None else dict(opened.info.llama)
    config = SpeechLlamaConfig(
        config_to_dict(speech.encoder.config),
        config_to_dict(speech.adapter.config),
        named,
        opened.info.languages,
        architectures=["SpeechLlamaForConditionalGeneration"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(_stored_weights(opened, speech), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # like its neighbours; the library makes it private
    SpeechLlamaFeatureExtractor(config.encoder["features"]).save_pretrained(folder)
    language = language_model(opened)
    if language:
        language.save(folder / LANGUAGE_MODEL)
    for name in LLAMA_FILES:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / name)
    (folder / "README.md").write_text(model_card(opened), encoding="utf-8")
    return folder


def _stored_weights(bundle: Bundle, speech: SpeechModel) -> dict[str, Tensor]:
    """Weights of the speech part, in half precision where the bundle stores them so."""
    half = weights_storage(bundle.component("speech_encoder") / "model.safetensors") == "float16"
    return {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in speech.state_dict().items()
    }


def _llama_files(source: Path | str) -> tuple[Path, Path | Tensor]:
    """The folder with a Llama's tokenizer, and where its embeddings are read from."""
    if isinstance(source, Path):
        return source, source
    cached_file(source, "tokenizer_config.json")
    _, _, embeddings = load_llama_parts(source, Placement("cpu"))
    return Path(str(cached_file(source, "tokenizer.json"))).parent, embeddings()


def load_hub(
    source: str | os.PathLike[str],
    llama: str | os.PathLike[str] | None = None,
    placement: Placement | None = None,
) -> SpeechLlama:
    """A model in the form of the hub, from a folder or a hub id, as `llama_speech.load` gives one."""
    from llama_speech.api import ModelParts, SpeechLlama

    placement = placement or Placement()
    model = SpeechLlamaForConditionalGeneration.from_pretrained(source).to(placement.resolved())
    loaded, config = model.loaded(placement, llama), model.config
    known = tuple(config.llama.get("languages", ())) if llama is None else ()
    parts = ModelParts(
        loaded.recognizer, loaded.tokenizer.decode, loaded.features, tuple(config.languages), known, loaded
    )
    return SpeechLlama(parts)


def _register() -> None:
    """Make the Auto classes and the pipeline know these classes."""
    transformers.AutoConfig.register(MODEL_TYPE, SpeechLlamaConfig, exist_ok=True)
    transformers.AutoModel.register(SpeechLlamaConfig, SpeechLlamaForConditionalGeneration, exist_ok=True)
    transformers.AutoModelForSpeechSeq2Seq.register(
        SpeechLlamaConfig, SpeechLlamaForConditionalGeneration, exist_ok=True
    )
    transformers.AutoFeatureExtractor.register(SpeechLlamaConfig, SpeechLlamaFeatureExtractor, exist_ok=True)
    transformers.AutoProcessor.register(SpeechLlamaConfig, SpeechLlamaProcessor, exist_ok=True)
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES[MODEL_TYPE] = SpeechLlamaForConditionalGeneration.__name__


_register()
