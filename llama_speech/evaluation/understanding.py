"""Our model as systems that translate and that hear questions, with the interfaces of the evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llama_speech.evaluation.datasets import EvalItem
from llama_speech.evaluation.dialogue import Heard
from llama_speech.evaluation.ours import FILES_PER_PIECE, SharedModel
from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.transcripts import transcribe_files
from llama_speech.results import Transcription
from speech_adapter.prompts import Speech, Turn
from speech_core.errors import ConfigError, SpeechError

METHODS = ("direct", "cascade", "transcript")


class OurTranslator:
    """One way to translate with our model, with the interface of the recognizers.

    "direct": the Llama hears the speech; "cascade": it reads the transcript of our recognizer; "transcript":
    it reads the true transcript, which shows what is lost by hearing.
    """

    def __init__(
        self,
        shared: SharedModel,
        method: str,
        target: str,
        transcripts: Mapping[Path, str] | None = None,
    ) -> None:
        """target: code; transcripts: the true ones by file, for "transcript". Raises ConfigError."""
        if method not in METHODS:
            raise ConfigError(f"method is {method}: use one of {', '.join(METHODS)}")
        self.shared, self.method, self.target = shared, method, target
        self.transcripts = transcripts or {}
        self.name = f"llama-speech:{method}"
        self.batch_size = FILES_PER_PIECE * shared.options.batch_size

    def signature(self) -> str:
        """Return everything that can change the text."""
        return f"{self.name}|to:{self.target}|{self.shared.signature}"

    def prepare(self) -> None:
        """Load the model."""
        _ = self.shared.model

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the translation of each file."""
        if self.method == "transcript":
            return self._from_transcripts(paths)
        chosen = self.shared.options
        outcomes = self.shared.model.translate_each(
            list(paths),
            self.target,
            chosen.language,
            self.method,
            vad=chosen.vad,
            batch_size=chosen.batch_size,
        )
        return [_text(outcome) for outcome in outcomes]

    def _from_transcripts(self, paths: Sequence[Path]) -> list[str]:
        from llama_speech.batch_answers import answer_texts
        from llama_speech.translation import target_language
        from speech_adapter.prompts import translation_prompt

        prompt = translation_prompt(target_language(self.target).name)
        turns = [[Turn("system", (prompt,)), Turn("user", (self.transcripts[path],))] for path in paths]
        answers = answer_texts(self.shared.loaded(), turns, max_tokens=128)
        return [answer.text for answer in answers]


def _text(outcome: Transcription | SpeechError) -> str:
    if isinstance(outcome, SpeechError):
        raise outcome
    return outcome.text


class OurListener:
    """Our model as a way of hearing questions: "embeds", what the adapter gives, or "transcript"."""

    def __init__(self, shared: SharedModel, speech: str) -> None:
        self.shared, self.speech = shared, speech
        self.name = f"llama-speech:{speech}"

    def signature(self) -> str:
        """Return everything that can change what is heard."""
        return f"{self.name}|{self.shared.signature}"

    def listen(self, items: Sequence[EvalItem]) -> list[Heard]:
        """Return what the Llama is given of each question."""
        if self.speech == "embeds":
            return [self._embeds(item) for item in items]
        results = self.shared.model.transcribe_each(
            [item.audio for item in items],
            self.shared.options.language,
            batch_size=self.shared.options.batch_size,
            vad=self.shared.options.vad,
        )
        return [as_heard(result if isinstance(result, SpeechError) else result.text) for result in results]

    def _embeds(self, item: EvalItem) -> Heard:
        from llama_speech.chat import speech_features
        from llama_speech.messages import AudioPart

        model = self.shared.model.parts.loaded
        if model is None:
            raise ConfigError("the model has no Llama")
        try:
            part = AudioPart(item.audio, None, item.id)
            features = speech_features(part, model.features, self.shared.options.vad)
        except SpeechError as error:
            return Heard((), error=str(error))
        return Heard(tuple(Speech(heard.speech) for heard in model.recognizer.listen(features)))


class OurAnswerer:
    """Our model answering what it hears, with the interface of the recognizers: text of speech."""

    def __init__(self, shared: SharedModel, speech: str, max_tokens: int) -> None:
        self.listener, self.max_tokens = OurListener(shared, speech), max_tokens
        self.name = f"llama-speech:answer-{speech}"
        self.batch_size = FILES_PER_PIECE * shared.options.batch_size

    def signature(self) -> str:
        """Return everything that can change the text."""
        return f"{self.name}|max-tokens:{self.max_tokens}|{self.listener.signature()}"

    def prepare(self) -> None:
        """Load the model."""
        _ = self.listener.shared.model

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the answer to each file; where nothing is heard, nothing is answered."""
        from llama_speech.batch_answers import answer_texts

        heard = self.listener.listen([EvalItem(str(path), path, "", None, None, None) for path in paths])
        rows = [row for row, one in enumerate(heard) if one.error is None]
        shared = self.listener.shared
        turns = [[Turn("user", heard[row].parts)] for row in rows]
        made = answer_texts(shared.loaded(), turns, self.max_tokens, shared.options.batch_size)
        texts = {row: answer.text for row, answer in zip(rows, made, strict=True)}
        return [texts.get(row, "") for row in range(len(heard))]


class PeerListener:
    """Another recognizer, whose transcript the Llama reads."""

    def __init__(self, recognizer: Recognizer, cache_dir: Path) -> None:
        self.recognizer, self.cache_dir = recognizer, cache_dir
        self.name = recognizer.name

    def signature(self) -> str:
        """Return everything that can change what is heard."""
        return self.recognizer.signature()

    def listen(self, items: Sequence[EvalItem]) -> list[Heard]:
        """Return its transcript of each question."""
        made = transcribe_files(self.recognizer, [item.audio for item in items], self.cache_dir)
        return [Heard((), error=one.error) if one.error else as_heard(one.text) for one in made]


def as_heard(result: str | SpeechError) -> Heard:
    """A transcript as what was heard; none, or an error, is a failure."""
    if isinstance(result, SpeechError):
        return Heard((), error=str(result))
    return Heard((result,), result) if result else Heard((), "", "nothing was heard")
