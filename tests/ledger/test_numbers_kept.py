"""How we stand with numbers: who must not be called, who has agreed to be, when we called, and who is forgotten."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from ledger_scenes import NOON, OURS, THEIRS, Play, at, campaign, contact, order

from client_caller.fleet.journals import begin, newest
from client_caller.ledger.entries import CallBegan, CallNoted, CallSummed, Consent, Forbidden, Standing, revoked
from client_caller.ledger.ledger import Ledger

OTHER = "+15550100003"


def test_a_number_nobody_has_heard_of_has_no_standing(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        assert await ledger.standing(THEIRS) == Standing(THEIRS, None, (), ())
        assert not await ledger.is_forbidden(THEIRS)

    play(scene)


def test_what_a_caller_forbids_holds_for_whoever_asks_next(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        ledger.note(Forbidden(THEIRS, at(1), "caller said so", "CA1"))
        assert await ledger.is_forbidden(THEIRS)  # without a flush: to ask is to wait for what was noted
        assert (await ledger.standing(THEIRS)).forbidden_since == at(1)
        assert not await ledger.is_forbidden(OTHER)

    play(scene)


def test_a_number_once_forbidden_stays_so_until_it_is_permitted_and_the_history_is_kept(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        first, again = Forbidden(THEIRS, at(1), "key", "CA1"), Forbidden(THEIRS, at(5), "import")
        await ledger.forbid([first, again, first])
        assert await ledger.forbidden() == [first, again]
        await ledger.permit(THEIRS, at(9), "asked by letter to be called again")
        assert await ledger.forbidden() == []
        await ledger.forbid([first])  # the same list, imported once more
        assert not await ledger.is_forbidden(THEIRS)
        await ledger.forbid([Forbidden(THEIRS, at(20), "operator")])
        assert (await ledger.standing(THEIRS)).forbidden_since == at(20)

    play(scene)


def test_in_the_same_instant_the_prohibition_is_stronger(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        await ledger.permit(THEIRS, at(1), "a slip")
        await ledger.forbid([Forbidden(THEIRS, at(1), "key")])
        assert await ledger.is_forbidden(THEIRS)

    play(scene)


def test_consents_are_kept_once_and_given_newest_first(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        old = Consent(THEIRS, "informational", at(1), "web form", "You may call me.", "form 7")
        new = Consent(THEIRS, "marketing", at(2), "call CA1", "Yes, tell me about offers.")
        await ledger.add_consents([old, new, old])
        await ledger.add_consents([new])
        await ledger.add_consents([])
        assert (await ledger.standing(THEIRS)).consents == (new, old)

    play(scene)


def test_a_revocation_ends_what_was_given_before_it_whenever_that_is_added(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        before = Consent(THEIRS, "marketing", at(1), "web form", "Yes.")
        late = Consent(THEIRS, "informational", at(2), "an old list", "Yes.")
        after = Consent(THEIRS, "marketing", at(9), "call", "Yes, again.")
        await ledger.add_consents([before])
        await ledger.revoke_consent(THEIRS, at(5), "caller said so")
        await ledger.revoke_consent(THEIRS, at(6), "letter")
        await ledger.add_consents([late, after])
        held = {consent.given_at: consent.revoked_at for consent in (await ledger.standing(THEIRS)).consents}
        assert held == {at(1): at(5), at(2): at(5), at(9): None}

    play(scene)


def test_a_consent_that_comes_revoked_takes_its_own_kind_with_it_only(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        ended = Consent(THEIRS, "marketing", at(1), "an old list", "Yes.", revoked_at=at(3))
        await ledger.add_consents([ended, Consent(THEIRS, "recording", at(1), "call", "Yes.")])
        held = {consent.kind: consent.revoked_at for consent in (await ledger.standing(THEIRS)).consents}
        assert held == {"marketing": at(3), "recording": None}

    play(scene)


@given(st.lists(st.tuples(st.sampled_from(["", "marketing", "recording"]), st.integers(0, 9).map(at))))
def test_a_consent_holds_unless_something_revoked_it_since(revocations: list[tuple[str, object]]) -> None:
    consent = revoked(Consent(THEIRS, "marketing", at(5), "web form", "Yes."), revocations)  # type: ignore[arg-type]
    ends = [when for kind, when in revocations if kind != "recording" and when >= at(5)]  # type: ignore[operator]
    assert consent.revoked_at == (min(ends) if ends else None)


def test_calls_that_were_or_may_have_been_placed_count_and_no_others(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for number, ident in enumerate(["placed", "made", "unsure", "dropped", "over"]):
            await ledger.make_order(order(ident, made_at=at(number * 10)))
        await ledger.order_placed("placed", "CA1", at(1))
        await ledger.order_unsure("unsure")
        await ledger.close_order("dropped", "refused", at(31), dropped=True)
        await ledger.order_placed("over", "CA2", at(41))
        await ledger.close_order("over", "talked", at(50))
        await ledger.make_order(order("another", to=OTHER))
        assert (await ledger.standing(THEIRS)).placed_at == (at(41), at(20), at(10), at(1))

    play(scene)


def test_of_many_calls_the_newest_hundred_of_a_year_are_told(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for day in range(103):
            await ledger.make_order(order(f"o{day}", made_at=NOON - timedelta(days=4 * day)))
        assert len((await ledger.standing(THEIRS)).placed_at) == 100
        of_a_year = (await ledger.standing(THEIRS, NOON)).placed_at
        assert of_a_year == tuple(NOON - timedelta(days=4 * day) for day in range(92))  # 91 * 4 = 364

    play(scene)


def test_a_number_that_is_deleted_is_known_only_as_one_not_to_be_called(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for call_id, number in (("CA1", THEIRS), ("CA2", OTHER)):
            ledger.note(CallBegan(call_id, at(0), "inbound", number, OURS, "caller", record=f"runs/calls/{call_id}"))
            ledger.note(CallNoted(call_id, at(1), "said", "My name is Ada."))
            ledger.note(CallSummed(call_id, at(9), "Ada wants to come.", "booked", '{"name": "Ada"}'))
            ledger.note(Forbidden(number, at(2), "caller said so", call_id))
            await ledger.write(begin, call_id, b'{"t": 1, "event": "Transcript", "text": "My name is Ada."}\n')
        await ledger.add_consents([Consent(THEIRS, "marketing", at(-9), "web form", "I, Ada, agree.")])
        await ledger.revoke_consent(THEIRS, at(2), "caller said so")
        await ledger.add_campaign(campaign(), [contact(1), contact(2, number=OTHER)])
        await ledger.make_order(order(contact_id="c1", campaign_id="k1"))

        assert await ledger.delete_number(THEIRS) == ["runs/calls/CA1"]

        assert await ledger.call("CA1") is None
        assert await ledger.call("CA2") is not None
        assert await ledger.read(newest, "CA1") is None
        assert await ledger.read(newest, "CA2") is not None
        assert await ledger.order("o1") is None
        assert await ledger.standing(THEIRS) == Standing(THEIRS, at(2), (), ())
        emptied, untouched = await ledger.contacts("k1")
        assert (emptied.number, emptied.vars, emptied.zone) == ("", {}, "")
        assert (emptied.state, emptied.outcome) == ("done", "forgotten")
        assert untouched == contact(2, number=OTHER)
        assert set(await ledger.forbidden()) == {
            Forbidden(THEIRS, at(2), "caller said so"),
            Forbidden(OTHER, at(2), "caller said so", "CA2"),
        }
        # An old list does not bring the consent back to life.
        await ledger.add_consents([Consent(THEIRS, "marketing", at(-9), "web form", "I, Ada, agree.")])
        assert [consent.revoked_at for consent in (await ledger.standing(THEIRS)).consents] == [at(2)]

    play(scene)
