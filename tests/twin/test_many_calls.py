"""Many calls at once, and the same over real sockets."""

import asyncio
import base64

import httpx2
import pytest

from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.network import Internet
from client_caller.twin.numbers import Number
from client_caller.twin.people import TALK, Person, talking
from client_caller.twin.served import served
from twin.far_end import ACCOUNT, OURS, PUBLIC, THEIRS, TOKEN, FarEnd, Stream, document, held


def test_a_hundred_calls_at_once_do_not_disturb_each_other() -> None:
    async def echo(stream: Stream) -> None:
        while True:
            message = await stream.next()
            if message["event"] == "media":
                await stream.send("media", media={"payload": message["media"]["payload"]})

    async def scene(twin: Twin) -> list[CarriedCall]:
        callers = [Person(next_frame=talking(1.0 + n % 5 / 5)) for n in range(100)]
        return await asyncio.gather(*(twin.call_in(caller, OURS) for caller in callers))

    end = FarEnd(
        {"/voice": document(f'<Connect><Stream url="wss{PUBLIC.removeprefix("https")}/media/x"/></Connect>')}, echo
    )
    calls = held(end, scene)
    for n, call in enumerate(calls):
        frames = 50 + n % 5 * 10
        assert len(call.sent) == 160 * frames
        assert bytes(call.played).count(TALK) == frames - 2  # a slot to leave, a slot to come back
        assert call.errors == []


@pytest.mark.realtime
def test_a_call_over_real_sockets_is_ordered_signed_and_carried() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(10)
        await stream.send("media", media={"payload": base64.b64encode(TALK * 5).decode()})
        await stream.send("mark", mark={"name": "played"})
        while not stream.events("mark"):
            await stream.next()
        await stream.socket.close()

    async def main() -> CarriedCall:
        end = FarEnd(talk=talk)
        async with served(end.app) as url:
            media = f"ws{url.removeprefix('http')}/media/x"
            end.documents = {"/voice": document(f'<Connect action="/next"><Stream url="{media}"/></Connect>')}
            people = lambda number: Person(ring_s=0.1)  # noqa: E731
            numbers = [Number(OURS, f"{url}/voice")]
            async with Twin(ACCOUNT, TOKEN, Internet(), numbers=numbers, people=people) as twin:
                async with served(twin.rest) as api, httpx2.AsyncClient(auth=(ACCOUNT, TOKEN)) as client:
                    form = {"To": THEIRS, "From": OURS, "Url": f"{url}/voice"}
                    await client.post(f"{api}/2010-04-01/Accounts/{ACCOUNT}/Calls.json", data=form)
                await twin.quiet()
                return twin.calls[0]

    call = asyncio.run(main())
    assert call.codes == [31921]
    assert call.violations == []
    assert bytes(call.played).count(TALK) == 5
    assert call.state == "completed"
