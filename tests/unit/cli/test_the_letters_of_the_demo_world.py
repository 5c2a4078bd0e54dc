"""Ten letters: each fits the catalogue, lies where it says it lies, and has a PDF that is the same every time."""

import io
from datetime import UTC, date, datetime, timedelta

import pypdf
import pytest

from machtiging.agencies.catalogue import CATALOGUE
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.cli.demo.agency import publication_time
from machtiging.cli.demo.letters import CHOSEN_SENDERS, LETTERS, LETTERS_FROM_DAYS
from machtiging.cli.demo.pdf import render_attachment
from machtiging.delegation.rules import Act, BerichtEnvelope, MachtigingScope, scope_violation

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENTRIES = {(oin, entry.code): entry for (_, oin), entries in CATALOGUE.items() for entry in entries}
SCOPE = MachtigingScope(
    afzenders=frozenset(oin for name, oin in CATALOGUE if name in CHOSEN_SENDERS),
    diensten=None,
    themes=None,
    excluded_themes=frozenset({Theme.ZORG}),
    highest_sensitivity=Sensitivity.GEWOON,
    letters_from=NOON.date() - timedelta(days=LETTERS_FROM_DAYS),
    acts=frozenset(Act),
)
by_reference = pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.reference)


def test_there_are_ten_with_references_of_their_own():
    assert len({letter.reference for letter in LETTERS}) == len(LETTERS) == 10


def test_among_them_is_every_way_to_lie_outside_the_agreement():
    outside = {letter.refusal_reason for letter in LETTERS if letter.refusal_reason}
    assert outside == {"afzender_niet_afgesproken", "thema_uitgesloten", "te_oud"}


@by_reference
def test_a_letter_lies_where_it_says_it_lies(letter):
    entry = ENTRIES[letter.sender_oin, letter.dienst]
    envelope = BerichtEnvelope(
        letter.sender_oin, letter.dienst, entry.theme, entry.sensitivity, publication_time(letter, NOON)
    )
    assert scope_violation(SCOPE, envelope) == letter.refusal_reason


@by_reference
def test_the_attachment_is_a_readable_pdf_and_the_same_bytes_each_time(letter):
    made = render_attachment(letter, letter.sender, NOON)
    assert made == render_attachment(letter, letter.sender, NOON)
    text = pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert letter.heading in text
    assert letter.rows[-1][1] in text
    assert "oefenwereld" in text


@by_reference
def test_a_letter_fits_the_limits_of_the_box(letter):
    assert 0 < len(letter.onderwerp) <= 255
    assert letter.file_name.endswith(".pdf")
    assert "Met vriendelijke groet" in letter.inhoud


def test_a_letter_keeps_its_date_all_day_long():
    morning, evening = NOON.replace(hour=1), NOON.replace(hour=22)
    assert publication_time(LETTERS[0], morning) == publication_time(LETTERS[0], evening)
    assert publication_time(LETTERS[0], NOON).date() == date(2026, 11, 20)
