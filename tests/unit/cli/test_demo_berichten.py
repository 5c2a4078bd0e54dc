"""The ten berichten of the demo. In the catalogue, with their scope violation and a reproducible PDF."""

import io
from datetime import UTC, date, datetime

import pypdf
import pytest

from machtiging.agencies.catalogue import CATALOGUE
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.cli.demo.agency import publication_time
from machtiging.cli.demo.letters import CHOSEN_SENDERS, HIDDEN_THEME, LETTERS, first_day_of_letters
from machtiging.cli.demo.pdf import render_attachment
from machtiging.delegation.rules import Act, BerichtEnvelope, MachtigingScope, scope_violation

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENTRIES = {(oin, entry.code): entry for (_, oin), entries in CATALOGUE.items() for entry in entries}
SCOPE = MachtigingScope(
    afzenders=frozenset(oin for name, oin in CATALOGUE if name in CHOSEN_SENDERS),
    diensten=None,
    themes=frozenset(Theme) - {HIDDEN_THEME},
    excluded_themes=frozenset(),
    highest_sensitivity=Sensitivity.GEWOON,
    letters_from=first_day_of_letters(NOON.date()),
    acts=frozenset(Act),
)
by_reference = pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.reference)


def test_demo_has_ten_berichten_with_unique_kenmerk():
    assert len({letter.reference for letter in LETTERS}) == len(LETTERS) == 10


def test_demo_berichten_cover_every_scope_violation():
    outside = {letter.refusal_reason for letter in LETTERS if letter.refusal_reason}
    assert outside == {"afzender_niet_afgesproken", "thema_niet_afgesproken", "te_oud"}


@by_reference
def test_demo_bericht_has_its_declared_scope_violation(letter):
    entry = ENTRIES[letter.sender_oin, letter.dienst]
    envelope = BerichtEnvelope(
        letter.sender_oin, letter.dienst, entry.theme, entry.sensitivity, publication_time(letter, NOON)
    )
    assert scope_violation(SCOPE, envelope) == letter.refusal_reason


@by_reference
def test_demo_bijlage_is_a_readable_reproducible_pdf(letter):
    made = render_attachment(letter, letter.sender, NOON)
    assert made == render_attachment(letter, letter.sender, NOON)
    text = pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert letter.heading in text
    assert letter.rows[-1][1] in text
    assert "oefenwereld" in text


@by_reference
def test_demo_bericht_fits_the_field_limits(letter):
    assert 0 < len(letter.onderwerp) <= 255
    assert letter.file_name.endswith(".pdf")
    assert "Met vriendelijke groet" in letter.inhoud


def test_demo_bericht_publication_date_is_stable_within_a_day():
    morning, evening = NOON.replace(hour=1), NOON.replace(hour=22)
    assert publication_time(LETTERS[0], morning) == publication_time(LETTERS[0], evening)
    assert publication_time(LETTERS[0], NOON).date() == date(2026, 11, 20)
