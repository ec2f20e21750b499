"""When a certificate is to be renewed, by the clock alone: previews ask no server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from components.certificates.keys import Certificate

Window = tuple[datetime, datetime]


def facts(certificate: Certificate, window: Window | None) -> dict[str, str]:
    """What `reason` needs of a certificate, as the state keeps it: times in ISO 8601, UTC.

    Args:
        certificate: The certificate.
        window: When the CA suggests to renew it (RFC 9773); None if it does not say.
    """
    start, end = map(_text, window) if window else ("", "")
    return {
        "notBefore": _text(certificate.not_before),
        "notAfter": _text(certificate.not_after),
        "renewalWindowStart": start,
        "renewalWindowEnd": end,
    }


def reason(known: Mapping[str, Any], renew_days: float, now: datetime | None = None) -> str:
    """Why a certificate is to be renewed now; empty if it is not.

    The CA's window counts from its start. The days count for at most half of the certificate's life, so
    that one that lives for six days is not renewed at every run.

    Args:
        known: `facts`, and maybe more.
        renew_days: Renew when fewer days than these remain.
        now: The time; None for the clock's.
    """
    now = now or datetime.now(UTC)
    begin, end = (datetime.fromisoformat(known[key]) for key in ("notBefore", "notAfter"))
    start = known["renewalWindowStart"]
    if start and datetime.fromisoformat(start) <= now:
        return f"the CA asks to renew between {start} and {known['renewalWindowEnd']} (RFC 9773)"
    if end <= now:
        return f"it has expired at {known['notAfter']}"
    left = end - now
    if left < min(timedelta(days=renew_days), (end - begin) / 2):
        return f"{left.days} days remain until {known['notAfter']}, renewal starts at {renew_days:g}"
    return ""


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
