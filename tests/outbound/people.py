"""People to be called, in tests: numbers that are reserved for fiction where there are such, and their consents."""

from datetime import UTC, datetime, timedelta

from client_caller.outbound.judge import Consent, Request, Standing

NEW_YORK = "+12125550100"
MIAMI = "+13055550100"
IDAHO = "+12085550100"
TOLL_FREE = "+18005550100"
BERLIN = "+4930123456"
PARIS = "+33123456789"
KATHMANDU = "+97714412345"
KIRIBATI = "+68622222"
SAMOA = "+68520123"
SATELLITE = "+881612345678"

EVERYWHERE = [NEW_YORK, MIAMI, IDAHO, TOLL_FREE, BERLIN, PARIS, KATHMANDU, KIRIBATI, SAMOA]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
INFORMED = Consent("informational", LONG_AGO, "web form")
WRITTEN = Consent(
    "marketing", LONG_AGO, "web form", "I agree to be called by Acme's artificial voice about its offers."
)
BOTH = Standing(consents=(INFORMED, WRITTEN))


def reminder(number: str, zone: str | None = None, region: str | None = None) -> Request:
    return Request(number, "informational", zone, region)


def advert(number: str, zone: str | None = None, region: str | None = None) -> Request:
    return Request(number, "marketing", zone, region)


def called(*ago: timedelta, now: datetime) -> Standing:
    return Standing(consents=BOTH.consents, placed_at=tuple(now - span for span in ago))
