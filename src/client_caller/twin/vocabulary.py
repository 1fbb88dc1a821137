"""All verbs that the twin knows.

In:   nothing.     Out: a table from the name of a verb to what it does.
Rule: a verb that is not here is an error of the document.
"""

from typing import Final

from client_caller.twin import verbs
from client_caller.twin.connect import connect
from client_caller.twin.dial import dial
from client_caller.twin.enqueue import enqueue
from client_caller.twin.gather import gather
from client_caller.twin.interpreter import Verb

VERBS: Final[dict[str, Verb]] = {
    "Connect": connect,
    "Dial": dial,
    "Enqueue": enqueue,
    "Gather": gather,
    "Hangup": verbs.hang_up,
    "Leave": verbs.leave,
    "Pause": verbs.pause,
    "Play": verbs.play,
    "Record": verbs.record,
    "Redirect": verbs.redirect,
    "Reject": verbs.reject,
    "Say": verbs.say,
}
