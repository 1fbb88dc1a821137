"""The embedded engines as deployments of Serve on one Ray node, asked by our own clients. Run by test_ray_engines.py.

    .ray/bin/python tests/deploy/ray_engines_scene.py FOLDER PORT

Out:  one JSON line of what came back.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
import numpy as np
import ray
from deploy.ray import hearing, thinking, voice
from ray import serve

from client_caller.audio.resample import resample
from client_caller.errors import EngineError
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.settings import HearingSettings, SpeakingSettings, ThinkingSettings
from client_caller.speaking.speech_server import SpeechServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import Message

SAID = "What are your opening hours?"
ASKED = [Message("system", "You are Anna."), Message("user", SAID)]


async def failure(work: Any) -> str:
    """The name of the error that it ends in; empty when it does not."""
    try:
        await work
    except EngineError as failed:
        return type(failed).__name__
    return ""


async def speech(url: str) -> tuple[dict[str, Any], Any]:
    """What the voice gives, and its sound."""
    settings = SpeakingSettings(engine="server", server_url=f"{url}/voice/v1", server_hz=8_000)
    client = SpeechServer(settings, "en-us")
    parts = [part.samples async for part in client.speak(SAID)]
    unknown = await failure(anext(SpeechServer(settings, "nobody").speak(SAID)))
    await client.close()
    async with httpx2.AsyncClient(timeout=30.0) as raw:
        body = {"model": "m", "voice": "en-us", "input": "x" * 70_000}
        long = (await raw.post(f"{url}/voice/v1/audio/speech", json=body)).status_code
    return {"pieces": len(parts), "unknown_voice": unknown, "long": long}, np.concatenate(parts)


async def words(url: str, sound: Any) -> dict[str, Any]:
    """What the ears find, and what they refuse."""
    settings = HearingSettings(engine="server", server_url=f"{url}/hearing/v1", server_within_s=30.0)
    client = TranscriptionServer(settings, "en")
    found = await client.transcribe(sound)
    german = await failure(TranscriptionServer(settings, "de").transcribe(sound))
    crowd = await asyncio.gather(*(failure(client.transcribe(sound)) for _ in range(12)))
    await client.close()
    async with httpx2.AsyncClient(timeout=30.0) as raw:
        files = {"file": ("x.wav", b"no WAV at all", "audio/wav")}
        broken = (await raw.post(f"{url}/hearing/v1/audio/transcriptions", files=files)).status_code
    return {"words": found, "german": german, "crowd": sorted(set(crowd)), "broken": broken}


async def reply(url: str) -> dict[str, Any]:
    """What the model answers, and what it refuses."""
    base = f"{url}/thinking/v1"
    settings = ThinkingSettings(base_url=base, first_token_s=60, next_token_s=30, tool_calls="text")
    model = OpenAIModel(base, "none", settings, embedded=False)
    fragments = [part async for part in model.stream(ASKED, "c1", 20)]
    broken_off = model.stream(ASKED, "c1", 2_000)
    await anext(broken_off)
    await broken_off.aclose()
    read_ahead = await model.read_ahead(ASKED, "c1")
    written = await model.write(ASKED, "c1", 10)
    await model.close()
    async with httpx2.AsyncClient(timeout=30.0) as raw:
        statuses = [
            (await raw.post(f"{base}/chat/completions", content=body)).status_code
            for body in (b"[1]", b"{", b'{"continue_final_message": true}', b'{"messages": 1}', b" " * 1_100_000)
        ]
    return {"fragments": len(fragments), "read_ahead": read_ahead, "written": bool(written), "statuses": statuses}


async def ask(url: str) -> dict[str, Any]:
    """Everything."""
    told, sound = await speech(url)
    heard = await words(url, resample(sound, 8_000, 16_000).astype(np.float32))
    return {**told, **heard, **(await reply(url))}


def main(folder: str, port: int) -> None:
    ray.init(
        num_cpus=4, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False, _temp_dir=folder
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        small = {"ray_actor_options": {"num_cpus": 0.5}}
        few = {"max_ongoing_requests": 1, "max_queued_requests": 1}
        serve.run(voice.Voice.options(**small).bind(), name="voice", route_prefix="/voice")
        ears = hearing.Hearing.options(**small, **few).bind(hearing.Ears())
        serve.run(ears, name="hearing", route_prefix="/hearing")
        serve.run(thinking.Thinking.options(**small).bind(), name="thinking", route_prefix="/thinking")
        print(json.dumps(asyncio.run(ask(f"http://127.0.0.1:{port}"))), flush=True)
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
