"""Whose fault it is.

    ClientCallerError
      ConfigError            the operator's mistake: names the setting, stops at start-up
        ModelUnavailable     a model file that no source could give, or that is not the pinned one
      LineError              the carrier's or the network's fault
        LineLost             the media stream ended or went silent
        LineProtocolError    they sent nonsense
        CarrierFailed        a request to the carrier came to nothing
          CallRefused        the carrier will not place this call, and has not
          CallUnsure         nobody can tell whether the call was placed
      EngineError            a model failed; the call goes on
        EngineTimeout        no result in time
        EngineOverloaded     it refused for want of room
        EngineCrashed        it broke, or its process is gone
      ToolFailed             a tool did not do what it was called for; the language model is told
      LocalProtocolError     our own bug: an event the conversation must never see

Engines' errors are translated where they occur, in the leaf. Nothing catches `Exception` but the rim of a process, and
the rim around tools, which run code of the operator's.
`tests/test_errors.py` holds this drawing against the classes.
"""


class ClientCallerError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(ClientCallerError):
    """The operator must change something; the message names it and says what to do."""


class ModelUnavailable(ConfigError):
    """A model file cannot be had, or what was had is not what was pinned."""


class LineError(ClientCallerError):
    """The carrier or the network failed one call."""


class LineLost(LineError):
    """The media stream ended, or nothing arrived on it for too long."""


class LineProtocolError(LineError):
    """The far side broke the media protocol; the message says how."""


class CarrierFailed(LineError):
    """The carrier could not be reached, or refused; `code` is its own number of the reason, 0 if it gave none."""

    def __init__(self, what: str, code: int = 0) -> None:
        super().__init__(what)
        self.code = code


class CallRefused(CarrierFailed):
    """The carrier has surely not placed this call, and says why; to try again would change nothing, or not at once."""


class CallUnsure(CarrierFailed):
    """The request broke off: the call may have been placed. It must not be tried again before that is known."""


class EngineError(ClientCallerError):
    """A model failed; `engine` names it as the settings do."""

    def __init__(self, engine: str, what: str) -> None:
        super().__init__(f"{engine}: {what}")
        self.engine = engine


class EngineTimeout(EngineError):
    """No result, or no further result, within the time allowed."""


class EngineOverloaded(EngineError):
    """The engine refused for want of room; later may work."""


class EngineCrashed(EngineError):
    """The engine broke or its process is gone."""


class ToolFailed(ClientCallerError):
    """A tool did not do what it was called for; the sentence is meant for the language model, which goes on from it."""


class LocalProtocolError(ClientCallerError):
    """A bug of ours: the pair of phase and event is impossible."""


_NO_ROOM = frozenset({429, 503})


def refusal(engine: str, status: int) -> EngineError:
    """What an engine's server means by an HTTP status of 400 or more."""
    if status in _NO_ROOM:
        return EngineOverloaded(engine, f"the server refused, status {status}")
    return EngineCrashed(engine, f"the server answered with status {status}")
