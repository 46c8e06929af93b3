"""The bundle's synthesis as a voice of the service: tokens to sound, and which written words it says when."""

from collections.abc import Iterator

import numpy as np

from llama_speech.service.models.products import Sound, SpokenMark
from llama_speech.speech import Speaker
from prosody.predictor import ProsodyOptions
from speech_core.events import AudioChunk, TokenEvent
from speech_synthesis.synthesizer import SpeechStream, WordTime


class BundleVoice:
    """See llama_speech.service.models.speaking.Voice."""

    names = ("default",)

    def __init__(self, speaker: Speaker, by_text: bool = False) -> None:
        """by_text: tokens come without the Llama's states (it runs elsewhere); only their text is used."""
        self._speaker, self._by_text = speaker, by_text

    def start(self, name: str, speed: float) -> "BundleVoiceStream":
        """A stream; there is one voice, whatever name is asked for."""
        stream = self._speaker.stream(ProsodyOptions(rate=speed))
        return BundleVoiceStream(self._speaker, stream, self._by_text)


class BundleVoiceStream:
    """One answer being spoken. A word is told once its end is certain: when the next one has begun."""

    def __init__(self, speaker: Speaker, stream: SpeechStream, by_text: bool = False) -> None:
        self._speaker, self._stream, self._by_text = speaker, stream, by_text
        self._told = 0  # written words

    def push(self, event: TokenEvent) -> Iterator[Sound]:
        """Sound that is now final, as soon as there is some."""
        made = self._stream.push_text(event.text) if self._by_text else self._stream.chunks(event)
        for chunk in made:
            yield from self._sounds([chunk], ended=False)

    def flush(self) -> list[Sound]:
        """The rest."""
        return self._sounds(self._stream.flush(), ended=True)

    def say(self, text: str) -> Iterator[Sound]:
        """Sound of a whole text, as it becomes final."""
        for chunk in self._speaker.say([text], self._stream):
            yield from self._sounds([chunk], ended=False)

    def _sounds(self, chunks: list[AudioChunk], ended: bool) -> list[Sound]:
        """Chunks as one sound, with the words that became certain."""
        if not chunks:
            return []
        audio = np.concatenate([chunk.samples.detach().cpu().numpy() for chunk in chunks]).astype(np.float32)
        words = written_words(self._stream.word_times)
        certain = words if ended else words[:-1]
        new, self._told = certain[self._told :], max(self._told, len(certain))
        return [Sound(audio, chunks[0].sample_rate, tuple(new))]


def written_words(times: list[WordTime]) -> list[SpokenMark]:
    """Words as written: what is said in several words ("21") ends with the last of them."""
    words: list[SpokenMark] = []
    place: tuple[int, int] | None = None
    for time in times:
        span = (time.word.start, time.word.end)
        if words and span == place:
            words[-1] = SpokenMark(words[-1].start_sample, time.end_sample, time.word.end)
        else:
            words.append(SpokenMark(time.start_sample, time.end_sample, time.word.end))
        place = span
    return words
