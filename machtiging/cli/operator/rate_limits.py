"""Doctor: check the rate limits and the proxies that name the client address."""

from __future__ import annotations

from collections.abc import Iterator

from machtiging.cli.checks import Finding, Verdict
from machtiging.settings import Settings, is_loopback

_SUBJECT = "limits"
# One caller was measured to reach these rates at most, so a higher limit has no effect.
_STOPS_NOBODY = {"token": 60_000, "person": 60_000, "address": 600_000}


def rate_limits(settings: Settings) -> Iterator[Finding]:
    """Check the configured proxies, and limits that are too high to work."""
    named = bool(settings.forwarding_proxies.strip() or settings.trusted_proxies.strip())
    if named:
        yield Finding(
            _SUBJECT, Verdict.OK, f"addresses of callers come from {settings.forwarded_header} of your proxies"
        )
    elif settings.issuer.startswith("https://") or not is_loopback(settings.host):
        reason = "the issuer is https, so a proxy stands in front" if settings.issuer.startswith("https://") else ""
        what = reason or f"the service listens on {settings.host}, where a proxy may stand in front"
        mend = (
            "Set MACHTIGING_FORWARDING_PROXIES to its address, or all callers share the limit of the proxy's address."
        )
        yield Finding(_SUBJECT, Verdict.ATTENTION, f"{what}, and no proxy is named", mend)
    else:
        yield Finding(_SUBJECT, Verdict.OK, "callers are counted by the address of their connection")
    for kind, most in _STOPS_NOBODY.items():
        if (found := getattr(settings, f"{kind}_requests_per_minute")) > most:
            name = f"MACHTIGING_{kind.upper()}_REQUESTS_PER_MINUTE"
            yield Finding(
                _SUBJECT, Verdict.ATTENTION, f"{name} is {found}: that stops no flood", f"Set at most {most}."
            )
