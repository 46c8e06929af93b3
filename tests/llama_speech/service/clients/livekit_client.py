"""The conversation with LiveKit's OpenAI plugin: python livekit_client.py URL, speech on standard input."""

import asyncio
import sys
from typing import Any

from conversation import RESULT, Conversation, parts, tell  # type: ignore[import-not-found]
from livekit import rtc
from livekit.agents import llm
from livekit.plugins.openai import realtime


@llm.function_tool
async def get_time(city: str) -> str:
    """The time of day in a city."""
    return str(RESULT)


class Client:
    """A session of the plugin, used as LiveKit's own agents use it."""

    def __init__(self, url: str, speech: bytes) -> None:
        self._speech, self._tasks = speech, set[asyncio.Task[Any]]()
        self._model = realtime.RealtimeModel(base_url=url, api_key="test", model="m")
        self._session = self._model.session()
        self._course = Conversation(self._speak, self._act)
        self.report = {**self._course.report, "kit": [], "kit_samples": 0}
        self._course.report = self.report
        self._session.on("openai_server_event_received", self._course.see)
        self._session.on("generation_created", lambda one: self._later(self._read(one)))
        self._session.on("input_speech_started", lambda _: self.report["kit"].append("speech started"))
        self._session.on("error", lambda one: self.report["errors"].append(str(one)[:300]))

    async def run(self) -> None:
        """Until the conversation is over."""
        await self._session.update_tools([get_time])
        self._speak()
        while not self._course.over:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        self.report["history"] = [getattr(one, "role", one.type) for one in self._session.chat_ctx.items]
        await self._session.aclose()
        await self._model.aclose()

    def _speak(self) -> None:
        for part in parts(self._speech):
            self._session.push_audio(rtc.AudioFrame(part, 24_000, 1, len(part) // 2))

    def _act(self, what: str, item: dict[str, Any]) -> None:
        if what == "truncate":
            self._session.truncate(message_id=item["id"], modalities=["audio", "text"], audio_end_ms=300)

    async def _read(self, generation: llm.GenerationCreatedEvent) -> None:
        """Messages and calls of one answer, each from its stream."""
        await asyncio.gather(self._hear(generation), self._answer(generation))

    async def _hear(self, generation: llm.GenerationCreatedEvent) -> None:
        async for message in generation.message_stream:
            async for frame in message.audio_stream:
                self.report["kit_samples"] += frame.samples_per_channel

    async def _answer(self, generation: llm.GenerationCreatedEvent) -> None:
        async for call in generation.function_stream:
            self.report["kit"].append(f"called {call.name}")
            context = self._session.chat_ctx.copy()
            context.items.append(
                llm.FunctionCallOutput(call_id=call.call_id, name=call.name, output=RESULT, is_error=False)
            )
            await self._session.update_chat_ctx(context)
            self._session.generate_reply()

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def main() -> None:
    """One conversation, and what it was like."""
    client = Client(sys.argv[1], sys.stdin.buffer.read())
    try:
        await asyncio.wait_for(client.run(), 150)
    except TimeoutError:
        client.report["errors"].append("timeout")
    tell(client.report)


if __name__ == "__main__":
    asyncio.run(main())
