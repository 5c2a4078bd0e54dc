"""Help for people: telephone number, hours, help points, and contacts for accessibility and privacy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from machtiging.operator_content.yaml_file import PRACTICE_FOLDER, BilingualText, Line, OperatorItem, read_items

_POSTCODE_DIGITS = re.compile(r"\s*([1-9][0-9]{0,3})\s*([A-Za-z]{2})?\s*")
Postcode = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{3} ?[A-Z]{2}$")]


class HelpPoint(OperatorItem):
    """A place where people get help: a library, a counter of a municipality."""

    name: Line
    address: Line
    postcode: Postcode
    place: Line
    hours: BilingualText | None = None
    phone: Line | None = None


@dataclass(frozen=True, kw_only=True)
class HelpContact:
    """The help of one installation, for its pages and its mails.

    `owner` is the organisation that is responsible for the service.
    """

    owner: str
    phone: str
    hours: BilingualText
    accessibility_email: str
    privacy_email: str
    points: tuple[HelpPoint, ...] = ()

    @property
    def phone_link(self) -> str:
        """The address of a link that calls the number (RFC 3966)."""
        return "tel:" + re.sub(r"[^0-9+]", "", self.phone)


# Invented. No Dutch number begins with 000, and `.example` has no owner (RFC 2606).
PRACTICE_HELP = HelpContact(
    owner="Oefenstad",
    phone="000-000 00 00",
    hours=BilingualText(nl="elke werkdag van 9.00 tot 17.00 uur", en="every working day from 9:00 to 17:00"),
    accessibility_email="toegankelijk@machtigen.example",
    privacy_email="privacy@machtigen.example",
)


def load_help_points(path: Path | None) -> tuple[HelpPoint, ...]:
    """Read the help points; invented ones without a path. Raises Fault `hulppunten_onleesbaar`."""
    return read_items(path or PRACTICE_FOLDER / "help_points.yaml", HelpPoint, "hulppunten_onleesbaar")


def find_nearest_points(points: tuple[HelpPoint, ...], typed: str) -> tuple[HelpPoint, ...] | None:
    """Sort help points by their distance from a postcode; None if that is no postcode.

    Dutch postcodes near each other have digits near each other, though not across every border of a region. One to
    three digits are the begin of a postcode.
    """
    found = _POSTCODE_DIGITS.fullmatch(typed)
    if found is None:
        return None
    digits = found.group(1)
    wanted = int(digits.ljust(4, "5"))
    return tuple(sorted(points, key=lambda one: (abs(int(one.postcode[:4]) - wanted), one.name)))
