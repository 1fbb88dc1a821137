"""Whatever is withdrawn, and however often, the connection to the server does not stay open for it."""

import asyncio
from contextlib import aclosing, suppress

from client_caller.settings import ThinkingSettings
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import Message

HELLO = [Message("user", "Hi.")]
STEPS = 40
"""Turns of the loop in which a request is withdrawn; a whole one takes fewer."""

WHOLE = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "logprobs": null}]}'
PIECE = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi. "}, "finish_reason": null}]}\n\n'


class Server:
    """Answers on connections that stay open, and counts them."""

    def __init__(self) -> None:
        self.open = self.answered = 0
        self.fewer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
                while True:
                    await self._answer(reader, writer)
                    self.answered += 1
        finally:
            self.open -= 1
            self.fewer.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        if b'"stream":true' not in body:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(WHOLE), WHOLE))
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (PIECE, PIECE, b"data: [DONE]\n\n", b""):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()


async def reply(model: OpenAIModel) -> None:
    async with aclosing(model.stream(HELLO, "c1", 9)) as parts:
        async for _ in parts:
            pass


async def read_ahead(model: OpenAIModel) -> None:
    await model.read_ahead(HELLO, "c1")


AT_ONCE = (read_ahead, reply, reply)


async def withdrawn(model: OpenAIModel, after: int, again_after: int) -> None:
    """Some requests at once, withdrawn twice."""
    tasks = [asyncio.create_task(ask(model)) for ask in AT_ONCE]
    for turns in (after, again_after):
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    await asyncio.wait(tasks)


def test_a_request_that_is_withdrawn_leaves_no_connection() -> None:
    async def main() -> None:
        counted = Server()
        server = await asyncio.start_server(counted.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        model = OpenAIModel(url, "key", ThinkingSettings(), embedded=False)
        for after in range(STEPS):
            for again_after in range(4):
                await withdrawn(model, after, again_after)
        await reply(model)
        assert counted.answered > STEPS
        async with asyncio.timeout(10):
            while counted.open > len(AT_ONCE):  # as many may be kept for what comes next
                counted.fewer.clear()
                await counted.fewer.wait()
        await model.close()
        server.close()

    asyncio.run(main())
