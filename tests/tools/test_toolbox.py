"""What a call's toolbox promises: one answer always, and no change of the world twice."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ConfigError, LineLost, ToolFailed
from client_caller.tools.arguments import KINDS, Argument, arguments_model
from client_caller.tools.outcome import OutcomeUnknown
from client_caller.tools.protocol import Done, Tool
from client_caller.tools.toolbox import CHANGES_A_CALL, Toolbox
from virtual import run


class Company:
    """Whose world is changed. It keeps what was done, with the key, and does as the argument says."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str]] = []

    async def book(self, arguments: Mapping[str, Any], key: str) -> Done:
        what = arguments["what"]
        self.did.append((what, key))
        await asyncio.sleep(9.0 if what == "slow" else 1.0)
        match what:
            case "refused":
                raise ToolFailed("Nothing was free.")
            case "unknown":
                raise OutcomeUnknown("It may be booked.")
            case "broken":
                raise ZeroDivisionError("the caller said 4111")
        return Done(f"Booked {what}, number {len(self.did)}.")

    def tool(self, **changes: Any) -> Tool:
        parameters = arguments_model(
            [Argument("what", KINDS["string"], "x"), Argument("n", KINDS["integer"], "x", False)]
        )
        return Tool("book", "Books.", parameters, self.book, **changes)


def texts(box: Toolbox, *whats: str, name: str = "book") -> list[str]:
    async def main() -> list[str]:
        return [(await box.run(at, name, json.dumps({"what": what}))).text for at, what in enumerate(whats, 1)]

    return run(main())


def test_what_was_done_is_told_again_and_not_done_again():
    company = Company()
    first, other, again = texts(Toolbox([company.tool()], "CA1"), "a table", "a chair", "a  table ")
    assert (first, other) == ("Booked a table, number 1.", "Booked a chair, number 2.")
    assert again == "book was already called with these arguments; it came to this: Booked a table, number 1."
    assert len(company.did) == 2


def test_an_order_to_the_call_is_not_given_again_with_the_text():
    async def order(arguments: Mapping[str, Any], key: str) -> Done:
        return Done("Connected.", "transfer", "+15550100002")

    async def main() -> list[Done]:
        box = Toolbox([Tool("connect", "x", arguments_model([]), order)], "CA1")
        return [await box.run(1, "connect", "{}"), await box.run(2, "connect", "")]

    first, again = run(main())
    assert first.to == "+15550100002"
    assert again == Done("connect was already called with these arguments; it came to this: Connected.")


@pytest.mark.parametrize("what", ["slow", "unknown", "broken"])
def test_what_may_have_been_done_is_not_tried_again(what):
    company = Company()
    first, again = texts(Toolbox([company.tool()], "CA1"), what, what)
    assert again.startswith("book was already called with these arguments; it is not known whether it was done.")
    assert ("not known" in first) == (what != "unknown")
    assert len(company.did) == 1


def test_what_was_surely_not_done_may_be_tried_again_with_the_same_key():
    company = Company()
    assert texts(Toolbox([company.tool()], "CA1"), "refused", "refused") == ["Nothing was free."] * 2
    (_, first), (_, second) = company.did
    assert first == second


def test_two_calls_at_once_are_one_and_both_are_told():
    company = Company()
    box = Toolbox([company.tool()], "CA1")

    async def main() -> list[Done]:
        return await asyncio.gather(*(box.run(number, "book", '{"what": "it"}') for number in (1, 2)))

    first, second = run(main())
    assert first.text == "Booked it, number 1."
    assert second.text.endswith("it came to this: Booked it, number 1.")
    assert len(company.did) == 1


def test_of_two_calls_at_once_both_are_told_that_nothing_was_done():
    company = Company()
    box = Toolbox([company.tool()], "CA1")

    async def main() -> list[Done]:
        return await asyncio.gather(*(box.run(number, "book", '{"what": "refused"}') for number in (1, 2)))

    assert run(main()) == [Done("Nothing was free.")] * 2
    assert len(company.did) == 1


def test_an_error_of_our_own_in_a_tool_does_not_get_out_either():
    async def fails(arguments: Mapping[str, Any], key: str) -> Done:
        raise LineLost("the ledger is away")

    done = run(Toolbox([Tool("keep", "x", arguments_model([]), fails)], "CA1").run(1, "keep", "{}"))
    assert done.text.startswith("keep broke off; it is not known whether it was done.")


def test_a_call_that_was_given_up_is_not_made_again():
    company = Company()
    box = Toolbox([company.tool()], "CA1")

    async def main() -> Done:
        given_up = asyncio.create_task(box.run(1, "book", '{"what": "it"}'))
        await asyncio.sleep(0.5)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return await box.run(2, "book", '{"what": "it"}')

    assert "not known whether" in run(main()).text
    assert len(company.did) == 1


def test_what_only_reads_is_done_as_often_as_it_is_wanted():
    company = Company()
    assert len(set(texts(Toolbox([company.tool(reads_only=True)], "CA1"), *["it"] * 30))) == 30


def test_what_is_repeatable_is_done_anew_with_a_new_key_but_not_without_end():
    company = Company()
    told = texts(Toolbox([company.tool(repeatable=True)], "CA1"), *["it"] * (CHANGES_A_CALL + 2))
    assert told[-2:] == ["book was not called: it was called too often in this call."] * 2
    assert len({key for _, key in company.did}) == CHANGES_A_CALL


def test_a_key_is_the_same_in_another_process_and_another_in_another_call():
    keys = []
    for call_id in ("CA1", "CA1", "CA2"):
        company = Company()
        texts(Toolbox([company.tool()], call_id), "it")
        keys.append(company.did[0][1])
    assert keys[0] == keys[1] != keys[2]


def test_what_the_record_tells_of_an_earlier_process_is_not_done_again():
    company = Company()
    box = Toolbox([company.tool()], "CA1")
    box.recall("book", '{"what":"it"}', "Booked it.")
    box.recall("gone", "{}", "x")
    box.recall("book", "{", "x")
    assert texts(box, "it")[0].endswith("it came to this: Booked it.")
    assert company.did == []


def test_whatever_goes_wrong_is_a_sentence_for_the_model():
    box = Toolbox([Company().tool(reads_only=True)], "CA1")
    assert texts(box, "it", name="delete_all") == ["There is no such tool; there is: book."]
    assert texts(Toolbox([], "CA1"), "it") == ["There is no such tool; there is none."]
    assert texts(box, "slow", "broken", "refused") == [
        "book took too long; nothing was found out.",
        "book broke off; nothing was found out.",
        "Nothing was free.",
    ]
    assert run(box.run(1, "book", "{what: it}")).text == "book was not called: its arguments are not valid JSON."


def test_of_a_tool_that_breaks_the_log_tells_where_and_not_what_the_caller_said(caplog):
    texts(Toolbox([Company().tool()], "CA1"), "broken")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["why"] == "ZeroDivisionError"
    assert "test_toolbox.py, line" in vars(record)["at"]
    assert "4111" not in str(vars(record))


def test_the_box_tells_what_the_heart_needs_of_its_tools():
    company = Company()
    box = Toolbox([company.tool(within_s=7.0, bridge="Let me see.")], "CA1")
    assert (box.longest_s, box.bridges) == (7.0, {"book": "Let me see."})
    assert not box.reads_only("book")
    assert box.reads_only("gone")
    assert Toolbox([], "CA1").longest_s == 0.0
    (offer,) = box.offers
    assert (offer.name, offer.description, offer.schema["required"]) == ("book", "Books.", ["what"])


def test_two_tools_of_one_name_are_the_operators_mistake():
    with pytest.raises(ConfigError, match="are called book"):
        Toolbox([Company().tool(), Company().tool()], "CA1")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "slow", "refused", "unknown", "broken"]),
        st.sampled_from(['{{"what": "{}"}}', '{{"what":" {}", "n": null}}', '{{"n": "", "what": "{}"}}']),
        st.sampled_from(["wait", "at once", "cancel"]),
    ),
    max_size=12,
)


@given(steps=STEPS)
def test_nothing_is_done_twice_whatever_is_asked_in_whatever_order(steps):
    company = Company()
    box = Toolbox([company.tool()], "CA1")

    async def main() -> list[Any]:
        tasks = []
        for number, (what, template, how) in enumerate(steps, 1):
            task = asyncio.create_task(box.run(number, "book", template.format(what)))
            tasks.append(task)
            if how == "wait":
                await task
            elif how == "cancel":
                await asyncio.sleep(0.1)
                task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    for outcome in run(main()):
        assert isinstance(outcome, Done | asyncio.CancelledError)
    for what in ("a", "b", "slow", "unknown", "broken"):
        assert sum(did == what for did, _ in company.did) <= 1
