"""The interpreter of TwiML: asks for documents and does, verb by verb, what they say.

In:   a leg, and where it begins.     Out: how it ended, or None when the documents ran out.
Rule: what a verb does stands with the verb; this knows the order of things, and what goes wrong with documents.

Source: twilio.com/docs/voice/twiml, .../api/errors/12100, .../12102, .../12200.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Final
from urllib.parse import urldefrag, urljoin
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from client_caller.twin.leg import Leg
from client_caller.twin.orders import Step
from client_caller.twin.places import Hook
from client_caller.twin.webhooks import RETRIEVAL_FAILED, WebhookFailed

PARSE_FAILED: Final = 12100
WRONG_ROOT: Final = 12102
NOT_IN_THE_SCHEMA: Final = 12200
WRONG_CONTENT: Final = 12300

_DOCUMENTS_AT_ONCE: Final = 50  # more in one second are a loop
_DOCUMENT_TYPES: Final = frozenset({"", "text/xml", "application/xml", "text/html"})
_KEEPS_RINGING: Final = frozenset({"Reject", "Pause", "Redirect"})
"""Verbs before which a call that came in is not answered."""


class Over(Enum):
    """How a document may end more than itself."""

    HUNG_UP = auto()
    REJECTED = auto()
    BUSY = auto()
    LEFT = auto()


Next = Step | Over | None
"""Where a verb leads; None: to the one behind it."""


class DocumentFailed(Exception):
    """A document cannot be had or not be followed. code: Twilio's;  status: what the server answered, 0 for nothing."""

    def __init__(self, code: int, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.code = code
        self.status = status


def _never() -> bool:
    return False


class Interpreter:
    """Follows documents for one leg.

    verbs: what each verb does;  until: asked between verbs and while they sound, whether to stop where we are.
    here: the address of the document being followed, for addresses that are relative to it.
    """

    def __init__(self, leg: Leg, verbs: "Mapping[str, Verb]", until: Callable[[], bool] = _never) -> None:
        self.leg = leg
        self.verbs = verbs
        self.until = until
        self.here = ""

    async def follow(self, step: Step) -> Over | None:
        """Follow documents to their end. Raises DocumentFailed, PersonHungUp."""
        recent: list[float] = []
        outcome: Next = step
        while isinstance(outcome, Step) and not self.until():
            now = asyncio.get_running_loop().time()
            recent = [at for at in recent if at > now - 1] + [now]
            if len(recent) > _DOCUMENTS_AT_ONCE:
                raise DocumentFailed(PARSE_FAILED, f"{_DOCUMENTS_AT_ONCE} documents within a second end nowhere")
            outcome = await self.perform(await self._document(outcome))
        return None if isinstance(outcome, Step) else outcome

    async def perform(self, verbs: Iterable[Element]) -> Next:
        """Do one verb after the other, until one leads elsewhere."""
        for verb in verbs:
            if self.until():
                return None
            do = self.verbs.get(verb.tag)
            if do is None:
                raise DocumentFailed(NOT_IN_THE_SCHEMA, f"the verb {verb.tag} is not known here")
            if verb.tag not in _KEEPS_RINGING and verb.get("answerOnBridge") != "true":
                self.leg.answer()
            if (outcome := await do(self, verb)) is not None:
                return outcome
        return None

    def step(self, verb: Element, fields: Mapping[str, str], address: str | None = None) -> Step:
        """The step to a verb's `action`, or to another address that it gives."""
        url = urljoin(self.here, verb.get("action", "") if address is None else address)
        return Step(url, verb.get("method", "POST"), fields, kind="action")

    def hook(self, element: Element, name: str = "statusCallback", events: Iterable[str] = ()) -> Hook | None:
        """The callback that an element asks for under this name, None if it does not."""
        url = element.get(name)
        if not url:
            return None
        wanted = element.get(f"{name}Event", "").replace(",", " ").split() or events
        return Hook(urljoin(self.here, url), element.get(f"{name}Method", "POST"), frozenset(wanted))

    async def _document(self, step: Step) -> Element:
        """The document of a step; that of its fallback when it is of no use. Raises DocumentFailed."""
        try:
            return await self._fetched(step)
        except DocumentFailed as failed:
            if step.fallback is None:
                raise
            self.leg.note(failed.code, str(failed), failed.status)
            fields = {"ErrorCode": str(failed.code), "ErrorUrl": step.url}
            return await self._fetched(Step(step.fallback.url, step.fallback.method, fields, kind="fallback"))

    async def _fetched(self, step: Step) -> Element:
        if step.twiml is not None:
            return _parsed(step.twiml)
        self.here = urldefrag(step.url).url
        form = self.leg.form() | dict(step.fields)
        try:
            answer = await self.leg.exchange.webhooks.ask(self.leg.record, step.kind, step.url, form, step.method)
        except WebhookFailed as failed:
            raise DocumentFailed(RETRIEVAL_FAILED, str(failed), failed.status) from failed
        content = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content not in _DOCUMENT_TYPES:
            raise DocumentFailed(WRONG_CONTENT, f"the webhook {self.here} answered with {content}", answer.status_code)
        return _parsed(answer.text)


Verb = Callable[[Interpreter, Element], Awaitable[Next]]
"""Does one verb. Raises PersonHungUp, DocumentFailed."""


def _parsed(text: str) -> Element:
    if not text.strip():
        return Element("Response")
    try:
        document = ElementTree.fromstring(text)
    except ElementTree.ParseError as wrong:
        raise DocumentFailed(PARSE_FAILED, f"the document is not XML: {wrong}") from wrong
    if document.tag != "Response":
        raise DocumentFailed(WRONG_ROOT, f"the document is a {document.tag}, not a Response")
    return document
