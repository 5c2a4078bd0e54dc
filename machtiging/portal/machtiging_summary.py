"""A PDF summary of one machtiging, for its giver and its helper."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from machtiging.documents.pdf import Template
from machtiging.identity.session import Visitor
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import NotFound
from machtiging.message_catalogue import get_sentence
from machtiging.portal.typesetting import typeset
from machtiging.portal.views import AgreementView, MachtigingCard
from machtiging.web.pages import format_day, format_moment, format_period_end

# Earlier first days mean: all letters.
_FIRST_YEAR = 1950
_MEDIA_TYPE = "application/pdf"


async def answer_with_summary(card: MachtigingCard, visitor: Visitor, at: datetime) -> Response:
    """Return the summary as a file.

    Raises NotFound `machtiging_onbekend` if this login may see neither the other person nor the terms.
    """
    if card.is_hidden:
        raise NotFound("machtiging_onbekend")
    data = {
        "intro": [get_sentence("helpers.summary.intro", moment=format_moment(at))],
        "facts": _list_facts(card, visitor),
        "sections": [{"heading": heading, "items": items} for heading, items in _list_sections(card.agreement)],
        "notes": [get_sentence("helpers.summary.note"), get_sentence("helpers.summary.number", number=str(card.id))],
    }
    title = get_sentence("helpers.summary.title")
    content = await typeset(Template.MACHTIGING_SUMMARY, data, title=title, created_at=at)
    name = f"{get_sentence('helpers.summary.file')}-{to_dutch_date(at):%Y-%m-%d}.pdf"
    return Response(content, media_type=_MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _list_facts(card: MachtigingCard, visitor: Visitor) -> list[list[str]]:
    """Return who and when, as labels and values."""
    other = card.other if card.accepted_at is not None else card.helper_name or card.other
    giver, helper = (visitor.name, other) if card.is_giver else (other, visitor.name)
    facts = [
        ("helpers.summary.giver", giver),
        ("helpers.summary.helper", helper),
        ("helpers.summary.organisation", _describe_organisation(card)),
        ("helpers.agreement.purpose", card.agreement.purpose),
        ("helpers.agreement.who", card.agreement.capacity),
        ("helpers.summary.state", card.standing_word),
        ("helpers.summary.starts", format_day(card.agreement.starts_at)),
        ("helping.accept.valid", format_period_end(card.agreement.ends_at)),
        ("helpers.summary.offered", format_day(card.offered_at)),
        ("helpers.summary.accepted", None if card.accepted_at is None else format_day(card.accepted_at)),
        ("helpers.summary.ended", None if card.ended_at is None else format_moment(card.ended_at)),
    ]
    return [[get_sentence(key), value] for key, value in facts if value is not None]


def _describe_organisation(card: MachtigingCard) -> str | None:
    if card.kvk is None:
        return None
    if card.organisation is None:
        return get_sentence("helping.organisation.unnamed", kvk=card.kvk)
    return get_sentence("helping.organisation.named", name=card.organisation, kvk=card.kvk)


def _list_sections(agreement: AgreementView) -> list[tuple[str, list[str]]]:
    """Return the terms, in the words and the order of the page."""
    sections = [
        ("helpers.agreement.senders", agreement.senders or [get_sentence("helpers.agreement.every_sender")]),
        ("helpers.agreement.diensten", agreement.diensten),
        ("helpers.agreement.themes", agreement.themes),
        ("helpers.agreement.excluded", agreement.excluded or [get_sentence("helpers.agreement.nothing_excluded")]),
        ("helpers.agreement.sensitivity", [agreement.sensitivity]),
        ("helpers.agreement.letters", [_describe_letters(agreement)]),
        ("helpers.agreement.may", agreement.acts),
        ("helpers.agreement.may_not", [get_sentence("helpers.agreement.never")]),
    ]
    return [(get_sentence(key), items) for key, items in sections if items is not None]


def _describe_letters(agreement: AgreementView) -> str:
    if agreement.only_letters == 1:
        return get_sentence("letters.share.only")
    if agreement.only_letters:
        return get_sentence("letters.share.only_some", n=agreement.only_letters)
    if agreement.letters_from.year < _FIRST_YEAR:
        return get_sentence("giving.agreement.all_letters")
    return get_sentence("helpers.agreement.letters_from", day=format_day(agreement.letters_from))
