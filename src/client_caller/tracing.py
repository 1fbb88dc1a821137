"""Traces: how each turn of a call went, told to a collector of OpenTelemetry.

In:   records of calls, followed as they are written.     Out: spans, sent by a thread of its own.
Rule: a call waits for nothing here. What the collector does not take in time is dropped, and the log says so once.
      Imported only where there is a collector, for what it is built on takes a while to load.

A call is one trace, on however many lines and gateways it is held: its id is made of the call's. The spans themselves
are the business of `records/turns.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from client_caller.errors import ConfigError
from client_caller.house import House
from client_caller.records.flight import Entry, FlightRecord
from client_caller.records.turns import LINE, Facts, Moment, Span, Turns
from client_caller.settings import TraceSettings

log = logging.getLogger("client_caller.tracing")

_QUEUE: Final = 4_096
"""Spans that may wait, some kilobytes each. A turn has eight or so: this is a minute of eighty calls."""

_BATCH: Final = 64
"""Spans sent at once: to encode them takes 5 ms, in which the interpreter is shared with the calls."""

_EVERY_MS: Final = 2_000
_WITHIN_S: Final = 5.0
"""For one batch, with all that is tried again."""

_LAST_S: Final = 3.0
"""For what is left at the end; the process does not wait for more."""

_PATH: Final = "/v1/traces"
_PREFIX: Final = "client_caller."
_SCOPE: Final = InstrumentationScope("client_caller")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


@asynccontextmanager
async def traced(house: House) -> AsyncIterator[None]:
    """Have the calls of this house traced while the block runs. Raises ConfigError for headers that are none."""
    settings = house.settings.traces
    delivery = _Delivery(settings)
    tracer = Tracer(settings, delivery.take, house.now)
    house.followers.append(tracer.follow)
    with _library_silenced():
        try:
            yield
        finally:
            house.followers.remove(tracer.follow)
            await delivery.close()


class Tracer:
    """Makes spans of what happens in calls. take: given each, in calls' own thread; it returns at once;
    now: the wall clock, UTC."""

    def __init__(
        self, settings: TraceSettings, take: Callable[[ReadableSpan], None], now: Callable[[], datetime]
    ) -> None:
        self._share = settings.share
        self._resource = Resource({"service.name": settings.service})
        self._take = take
        self._now = now

    def follow(self, record: FlightRecord) -> None:
        """Trace the call that leaves this record, unless its trace is not among those that are wanted."""
        call_id = record.folder.name.partition("-")[2]
        if not call_id or not is_wanted(trace_of(call_id), self._share):
            return
        turns, line = Turns(), None

        def take(entry: Entry) -> None:
            nonlocal line
            if line is None:
                line = _Line(call_id, entry.t, self._now(), self._resource)
            for span in turns.take(entry):
                self._take(line.told(span))

        record.follow(take)


def trace_of(call_id: str) -> int:
    """The id of a call's trace, the same wherever the call is held."""
    return int.from_bytes(sha256(call_id.encode()).digest()[:16])


def is_wanted(trace: int, share: float) -> bool:
    """Whether this trace is within the share. Source: TraceIdRatioBased of the SDK, which judges alike."""
    return trace & 0xFFFF_FFFF_FFFF_FFFF < round(share * 2**64)


class _Line:
    """One line of a call. begins: its call time at the instant `now`, UTC."""

    def __init__(self, call_id: str, begins: float, now: datetime, resource: Resource) -> None:
        self._call_id = call_id
        self._zero_ns = round(now.timestamp() * 1e9) - round(begins * 1e9)
        self._resource = resource
        self._is_first = begins <= 0  # a call that goes on is never at its beginning
        self._name = f"{call_id} {0.0 if self._is_first else begins}"

    def told(self, span: Span) -> ReadableSpan:
        """A span in the words of OpenTelemetry."""
        attributes = _named(span.facts)
        if span.number == LINE:
            attributes[_PREFIX + "call"] = self._call_id
        failed = any(moment.name == "engine failed" for moment in span.moments)
        return ReadableSpan(
            span.name,
            self._context(span.number),
            self._parent(span),
            self._resource,
            attributes,
            [self._event(moment) for moment in span.moments],
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
            start_time=self._ns(span.begins),
            end_time=self._ns(span.ends),
            instrumentation_scope=_SCOPE,
        )

    def _parent(self, span: Span) -> SpanContext | None:
        if span.of is not None:
            return self._context(span.of)
        return None if self._is_first else _context(self._call_id, f"{self._call_id} {0.0} {LINE}")

    def _context(self, number: int) -> SpanContext:
        return _context(self._call_id, f"{self._name} {number}")

    def _event(self, moment: Moment) -> Event:
        return Event(moment.name, _named(moment.facts), self._ns(moment.at))

    def _ns(self, t: float) -> int:
        return self._zero_ns + round(t * 1e9)


def _context(call_id: str, name: str) -> SpanContext:
    """Of the span of this name. Ids are made and not drawn, so that a line knows that of the one before."""
    span = int.from_bytes(sha256(name.encode()).digest()[:8])
    return SpanContext(trace_of(call_id), span, is_remote=False, trace_flags=_SAMPLED)


def _named(facts: Facts) -> dict[str, str | int | float | bool]:
    return {_PREFIX + name: fact for name, fact in facts.items()}


class _Delivery:
    """Sends spans, in batches, in a thread."""

    def __init__(self, settings: TraceSettings) -> None:
        url = urlsplit(settings.endpoint)
        endpoint = settings.endpoint if url.path.strip("/") else url._replace(path=_PATH).geturl()
        self._to = url.hostname or ""
        self._exporter = OTLPSpanExporter(
            endpoint=endpoint,
            headers=_headers(settings.headers.get_secret_value()),
            timeout=_WITHIN_S,
            compression=Compression.Gzip,
        )
        self._is_away = self._is_closing = False
        self._processor = BatchSpanProcessor(
            self,  # type: ignore[arg-type]  # a SpanExporter in all but descent
            max_queue_size=_QUEUE,
            schedule_delay_millis=_EVERY_MS,
            max_export_batch_size=_BATCH,
            export_timeout_millis=_WITHIN_S * 1e3,
        )

    def take(self, span: ReadableSpan) -> None:
        """Have it sent some time. When too many wait, the oldest is dropped."""
        self._processor.on_end(span)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send these; called by the processor, in its thread."""
        if self._is_closing and self._is_away:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        if is_away and not self._is_away:
            log.warning("traces cannot be delivered and are dropped", extra={"to": self._to})
        elif self._is_away and not is_away:
            log.warning("traces are delivered again", extra={"to": self._to})
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        """Called by the processor when nothing more is to be sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Send what is left, if that does not take long."""
        loop, is_closed = asyncio.get_running_loop(), asyncio.Event()
        self._is_closing = True

        def close() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(is_closed.set)

        Thread(target=close, name="traces end", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await is_closed.wait()


def _headers(text: str) -> Mapping[str, str]:
    """Raises ConfigError, without the value, for what is not of the form name=value,name=value."""
    headers: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not part.isascii() or not part.isprintable():
            raise ConfigError("setting CLIENT_CALLER_TRACES__HEADERS must be of the form name=value,name=value")
        headers[name.strip()] = value.strip()
    return headers


@contextmanager
def _library_silenced() -> Iterator[None]:
    """The library has a line in the log for each batch that fails, and for each span that is dropped."""
    library = logging.getLogger("opentelemetry")
    before = library.level
    library.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        library.setLevel(before)
