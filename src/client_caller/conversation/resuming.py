"""After a lost line: what the agent takes up again, and how.

In:   what was open when the stream was lost.     Out: what is said on the fresh stream.
Rule: nothing that was settled is touched. What the caller had not heard is said from the beginning of its clause, for
      half a sentence helps nobody; what the caller had asked is answered.
"""

from dataclasses import dataclass
from typing import Final

from client_caller.conversation.actions import Turn
from client_caller.conversation.answering import Answering
from client_caller.conversation.caller_words import CallerWords
from client_caller.conversation.policy import Manner

_WORDS_REPEATED: Final = 12
"""The caller's own words are given back at most so many: enough to find the thread again."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What the loss of the line broke into.

    unheard: pieces of the agent's that the caller had not heard to their end;  unanswered: the history that an answer
    was due to, if one was;  said: the words of a turn that the caller had not ended.
    """

    unheard: tuple[str, ...] = ()
    unanswered: tuple[Turn, ...] = ()
    said: str = ""


def interrupted(agent: Answering, words: CallerWords, *, turn_ended: bool) -> Interrupted:
    """What is open. turn_ended: the caller waits for an answer."""
    reply = agent.reply
    if reply and reply.released:
        has_answer = (reply.says_something or not reply.history) and not reply.asks
        if has_answer and (reply.heard_text or not words.turn):
            return Interrupted(unheard=tuple(reply.unheard_pieces))
        return Interrupted(unanswered=agent.due)
    if words.turn and turn_ended:
        return Interrupted(unanswered=words.history())
    return Interrupted(said=words.turn)


def taken_up(what: Interrupted, manner: Manner) -> list[str]:
    """The phrases with which the conversation goes on. Where an answer is due, it follows them."""
    if what.unheard:
        return [manner.dropped, manner.as_i_said, *what.unheard]
    if what.unanswered:
        return [manner.dropped]
    if what.said:
        words = " ".join(what.said.split()[-_WORDS_REPEATED:])
        return [manner.dropped, f"{manner.so_far} {words} …", manner.go_on]
    return [manner.dropped, manner.go_on]
