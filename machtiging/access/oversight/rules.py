"""Rules for opening a person's record: purposes, case numbers, periods and states."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

from machtiging.kernel.bsn import parse_bsn
from machtiging.kernel.errors import InvalidInput

# A second person confirms within this time.
CONFIRM_WITHIN = timedelta(hours=72)
# The first person reads for so long after the confirmation.
READ_WITHIN = timedelta(hours=24)
_CASE_NUMBER = re.compile(r"[A-Z0-9](?:[A-Z0-9./-]{1,38})[A-Z0-9]")
_SEPARATORS = str.maketrans("", "", "./-")
# A whole run: within a longer number, one of eleven would look like a BSN by chance.
_DIGITS = re.compile(r"(?<![0-9])[0-9]{8,9}(?![0-9])")


class OversightRole(StrEnum):
    """The roles that may open a record together."""

    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacyfunctionaris"


class RecordPurpose(StrEnum):
    """The purpose for which a record is opened. The person reads it."""

    COMPLAINT = "klacht"
    OWN_REQUEST = "verzoek_betrokkene"
    UNUSUAL_USE = "opvallend_gebruik"
    INCIDENT = "datalek"
    COURT_ORDER = "vordering"


class OpeningState(StrEnum):
    """The state of a request at one instant."""

    WAITING = "wacht"
    LAPSED = "verlopen"
    OPEN = "open"
    CLOSED = "gesloten"


def normalise_case_number(text: str) -> str:
    """Return the case number in capitals. Raises InvalidInput `zaaknummer_ongeldig`, also if it holds a BSN."""
    number = "".join(text.split()).upper()
    runs = _DIGITS.findall(number) + _DIGITS.findall(number.translate(_SEPARATORS))
    if not _CASE_NUMBER.fullmatch(number) or any(map(_is_bsn, runs)):
        raise InvalidInput("zaaknummer_ongeldig")
    return number


def _is_bsn(digits: str) -> bool:
    try:
        parse_bsn(digits)
    except InvalidInput:
        return False
    return True


def opening_state(asked_at: datetime, confirmed_at: datetime | None, at: datetime) -> OpeningState:
    """Return the state of a request. Each period ends at its last instant, exclusive."""
    if confirmed_at is None:
        return OpeningState.WAITING if at < asked_at + CONFIRM_WITHIN else OpeningState.LAPSED
    return OpeningState.OPEN if at < confirmed_at + READ_WITHIN else OpeningState.CLOSED
