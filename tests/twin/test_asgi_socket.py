"""The WebSocket in memory: nothing is lost or reordered, and nothing grows without bound."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.twin.asgi_socket import AppSocket, ClientGone
from client_caller.twin.network import SocketClosed, SocketRefused
from virtual import run

URL = "wss://voice.example.com/media/a%20b"


def client(app: Any) -> AppSocket:
    return AppSocket(app, URL, {"X-Twilio-Signature": "s"})


@given(st.lists(st.text(max_size=5), max_size=600), st.integers(0, 40))
def test_texts_come_back_in_order_however_fast_either_side_is(texts: list[str], naps: int) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    async def main() -> list[Any]:
        socket = client(echo)
        await socket.open()
        back = []
        for n, text in enumerate(texts):
            await socket.send(text)
            if naps and n % naps == 0:
                await asyncio.sleep(0.01)
            if n % 50 == 49:
                back += [await socket.receive() for _ in range(50)]
        back += [await socket.receive() for _ in range(len(texts) - len(back))]
        await socket.close()
        await socket.task
        return back

    assert run(main()) == texts


def test_an_application_sees_the_request() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "websocket.close"})

    async def main() -> None:
        with pytest.raises(SocketRefused) as refused:
            await client(app).open()
        assert refused.value.status == 403

    run(main())
    assert (seen[0]["path"], seen[0]["scheme"]) == ("/media/a b", "wss")
    assert (b"x-twilio-signature", b"s") in seen[0]["headers"]


def test_a_client_that_is_gone_can_be_sent_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        with pytest.raises(ClientGone):
            await send({"type": "websocket.send", "text": ""})

    async def main() -> None:
        socket = client(app)
        await socket.open()
        socket.abort()
        await socket.task
        with pytest.raises(SocketClosed):
            await socket.send("")

    run(main())


def test_what_is_not_read_is_dropped_or_ends_the_socket() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(1)

    async def main() -> list[bool]:
        socket = client(app)
        await socket.open()
        taken = [await socket.send("media", may_drop=True) for _ in range(300)]
        waiting = 4 * 256 - 256
        assert all([await socket.send("mark") for _ in range(waiting)])
        with pytest.raises(SocketClosed):
            await socket.send("mark")
        await socket.task
        return taken

    taken = run(main())
    assert taken == [True] * 256 + [False] * 44
