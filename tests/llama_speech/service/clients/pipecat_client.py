"""The conversation with Pipecat's OpenAI realtime service: python pipecat_client.py URL, speech on stdin."""

import asyncio
import json
import sys
from typing import Any

from conversation import GET_TIME, RESULT, Conversation, parts, tell  # type: ignore[import-not-found]
from loguru import logger
from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService


class Ears(FrameProcessor):  # type: ignore[misc]
    """Stands where the loudspeaker would: notes what comes."""

    def __init__(self, report: dict[str, Any]) -> None:
        super().__init__()
        self._report = report

    async def process_frame(self, frame: Any, direction: FrameDirection) -> None:
        """One frame."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self._report["kit_samples"] += len(frame.audio) // 2
        elif isinstance(frame, InterruptionFrame):
            self._report["kit"].append("interruption")
        elif isinstance(frame, FunctionCallResultFrame):
            self._report["kit"].append(f"called {frame.function_name}")
        elif isinstance(frame, ErrorFrame):
            self._report["errors"].append(frame.error[:300])
        await self.push_frame(frame, direction)


def make_service(url: str) -> OpenAIRealtimeLLMService:
    """The service as its users set it up."""
    heard = events.AudioInput(
        transcription=events.InputAudioTranscription(), turn_detection=events.TurnDetection()
    )
    properties = events.SessionProperties(audio=events.AudioConfiguration(input=heard))
    settings = OpenAIRealtimeLLMService.Settings(
        model="m", system_instruction="Be nice.", session_properties=properties
    )
    address = url.replace("http", "ws", 1) + "/v1/realtime"
    service = OpenAIRealtimeLLMService(api_key="test", base_url=address, settings=settings)

    async def get_time(call: Any) -> None:
        await call.result_callback({"time": RESULT})

    service.register_function("get_time", get_time)
    return service


def spy(course: Conversation) -> None:
    """Let the conversation see what Pipecat parses."""
    parse = events.parse_server_event

    def seen(text: str) -> Any:
        event = parse(text)
        course.see(json.loads(text))
        return event

    events.parse_server_event = seen


async def main() -> None:
    """One conversation, and what it was like."""
    url, speech = sys.argv[1], sys.stdin.buffer.read()
    waiting = asyncio.Event()
    course = Conversation(waiting.set, lambda what, item: None)
    report = course.report
    report.update(kit=[], kit_samples=0)
    spy(course)
    shape = GET_TIME["parameters"]
    tool = FunctionSchema("get_time", GET_TIME["description"], shape["properties"], shape["required"])
    context = LLMContext([], ToolsSchema([tool]))
    pair = LLMContextAggregatorPair(context)
    pipeline = Pipeline([pair.user(), make_service(url), Ears(report), pair.assistant()])
    task = PipelineTask(
        pipeline, params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000)
    )

    async def lead() -> None:
        await task.queue_frames([LLMRunFrame()])
        for _ in range(3_000):
            if waiting.is_set():
                waiting.clear()
                await task.queue_frames([InputAudioRawFrame(part, 24_000, 1) for part in parts(speech)])
            if course.over:
                break
            await asyncio.sleep(0.05)
        else:
            report["errors"].append("timeout")
        await asyncio.sleep(0.3)
        report["history"] = [one.get("role") for one in context.get_messages()]
        await task.cancel()

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), lead())
    tell(report)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    asyncio.run(main())
