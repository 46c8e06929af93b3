"""What a client is told of the words of a turn: deltas, then `completed` or `failed`."""

from llama_speech.service.conversation.items import Part
from llama_speech.service.conversation.outbox import Outbox

_KIND = "conversation.item.input_audio_transcription"


class Transcripts:
    """The transcription events of one session."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def delta(self, item_id: str, delta: str) -> None:
        """More words, if there are some."""
        if delta:
            self._outbox.emit(f"{_KIND}.delta", item_id=item_id, content_index=0, delta=delta)

    def completed(self, item_id: str, part: Part, told: str) -> None:
        """The words of a part are known; told: what the client knows of them."""
        text = part.text or ""
        self.delta(item_id, text[len(told) :])
        usage = {"type": "duration", "seconds": round(part.samples / part.sample_rate, 3)}
        self._outbox.emit(
            f"{_KIND}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage
        )

    def failed(self, item_id: str, message: str, ours: bool = True) -> None:
        """There are no words; ours: whether the server is why."""
        error = {"type": "server_error" if ours else "invalid_request_error", "message": message}
        self._outbox.emit(f"{_KIND}.failed", item_id=item_id, content_index=0, error=error)
