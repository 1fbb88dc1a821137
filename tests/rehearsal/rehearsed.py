"""A made-up rehearsed call for the tests of what is shown of it: four turns, written through the real flight record.

Times below are the caller's; the record's are those of a server that answered `LATER_S` before the first frame came.
"""

from pathlib import Path
from typing import Final

from client_caller.conversation import actions as act
from client_caller.conversation import events as ev
from client_caller.records.flight import FlightRecord, Header
from client_caller.rehearsal.measure import TurnHeard

LATER_S: Final = 0.5

TURNS: Final = (
    TurnHeard("say", "Hi, a table for Saturday, please.", 4.0, 6.0, 0.0, 6.512, 0.512, False, None),
    TurnHeard("say with pause", "For four, and, um, at eight.", 12.0, 17.0, 1.5, 17.75, 0.75, False, None),
    TurnHeard("interrupt", "Sorry, make it nine.", 19.0, 20.5, 0.0, None, None, False, 0.31),
    TurnHeard("say", "Hello? Are you there?", 25.0, 26.0, 0.0, 25.5, None, True, None),
)


def write_record(path: Path) -> Path:
    """The flight record of the call, at `path`."""
    record = FlightRecord(path, Header("CA7", "2026-11-23T14:00:00Z", "receptionist"))

    def put(at: float, *moments: ev.Event | act.Action) -> None:
        for moment in moments:
            if isinstance(moment, ev.Event):
                record.event(at + LATER_S, moment)
            else:
                record.action(at + LATER_S, moment)

    def fact(at: float, name: str, reply: int) -> None:
        record.fact(at + LATER_S, name, reply=reply)

    put(-0.5, ev.CallAnswered(), act.Say(1, 0, "Good afternoon."), act.Release(1))
    record.fact(LATER_S, "media started")
    put(2.0, ev.PlayedOut(1, 0, 2, True), act.Remember(act.Turn("agent", "Good afternoon.")))

    put(4.1, ev.SpeechStarted(4.05 + LATER_S))
    put(6.07, ev.SpeechPaused(6.01 + LATER_S, 1.9), act.Transcribe(1), act.ScoreTurn(1))
    put(6.2, ev.Transcript(1, "Hi, a table for Saturday please"), act.StartReply(2, ()))
    fact(6.32, "first token", 2)
    put(6.4, ev.ReplyText(2, "For how many?"), act.Say(2, 0, "For how many?"))
    fact(6.44, "first audio", 2)
    put(6.46, act.CloseTurn(), act.Release(2))
    put(7.5, ev.PlayedOut(2, 0, 3, True), act.Remember(act.Turn("caller", "Hi, a table for Saturday please")))
    put(7.5, act.Remember(act.Turn("agent", "For how many?")))

    put(12.1, ev.SpeechStarted(12.05 + LATER_S))
    put(13.57, ev.SpeechPaused(13.5 + LATER_S, 1.4), act.Transcribe(2))
    put(13.7, ev.Transcript(2, "For four and"), act.StartReply(3, ()))
    fact(13.9, "first token", 3)
    put(13.95, ev.ReplyText(3, "At what time?"), act.Say(3, 0, "At what time?"))
    put(15.1, ev.SpeechStarted(15.05 + LATER_S), act.CancelReply(3))
    put(17.07, ev.SpeechPaused(17.0 + LATER_S, 1.9), act.Transcribe(3))
    put(17.3, ev.Transcript(3, "For four and um at eight"), act.StartReply(4, ()))
    fact(17.5, "first token", 4)
    put(17.6, ev.ReplyText(4, "A table for four at eight,"), act.Say(4, 0, "A table for four at eight,"))
    put(17.65, act.CloseTurn(), act.Release(4))
    fact(17.7, "first audio", 4)
    put(18.0, ev.ReplyText(4, "thank you."), act.Say(4, 1, "thank you."))
    put(18.6, ev.PlayedOut(4, 0, 3, False), act.Remember(act.Turn("caller", "For four and um at eight")))

    put(19.1, ev.SpeechStarted(19.05 + LATER_S), act.ClearPlayout(), act.CancelReply(4))
    put(19.1, act.Remember(act.Turn("agent", "A table for", cut_by="caller")))
    put(20.57, ev.SpeechPaused(20.5 + LATER_S, 1.4), act.Transcribe(4))
    put(20.8, ev.EngineFailed("language model", 5))

    put(26.4, ev.HungUp())
    record.close()
    return path
