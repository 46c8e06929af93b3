"""The trained parts of pronunciation as one component: letters to sound and two homograph models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from speech_core.checkpoint import load_config, load_weights
from speech_core.errors import CheckpointError
from tts_frontend.homographs import HomographChooser, HomographModel, HomographsConfig, homographs_from_json
from tts_frontend.pronunciation import Choosers
from tts_frontend.pronunciation_letters import LetterModel, LetterReader, LettersConfig


@dataclass(frozen=True)
class PronunciationConfig:
    """Sizes of the parts; a part that is None is not there."""

    letters: LettersConfig | None = None
    states: HomographsConfig | None = None
    words: HomographsConfig | None = None


class PronunciationModel(nn.Module):
    """Holds the parts so that they are saved and loaded together."""

    def __init__(self, config: PronunciationConfig) -> None:
        super().__init__()
        self.config = config
        self.letters = LetterModel(config.letters) if config.letters else None
        self.states = HomographModel(config.states) if config.states else None
        self.words = HomographModel(config.words) if config.words else None


def load_parts(folder: Path, homographs: Any) -> tuple[LetterReader | None, Choosers]:
    """Reader and choosers of a component folder. Raises CheckpointError when it is damaged."""
    model = PronunciationModel(load_config(folder, PronunciationConfig))
    load_weights(folder, model)
    words = homographs_from_json(homographs)
    try:
        states = HomographChooser(model.states, words) if model.states else None
        plain = HomographChooser(model.words, words) if model.words else None
    except KeyError as error:
        raise CheckpointError(f"{folder} has no rows for the homographs of {error}: copy it again") from None
    return LetterReader(model.letters) if model.letters else None, Choosers(states, plain)
