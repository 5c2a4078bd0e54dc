"""One rule for every line of user text: normalised, visible characters only, not blank."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from machtiging.berichtenbox.rules import validate_bijlage_naam
from machtiging.berichtenbox.schemas import KenmerkHeader, StatusIn
from machtiging.delegation.terms import _is_single_line
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import require_plain_line
from machtiging.oauth.clients.metadata_values import check_short_text
from machtiging.portal.forms import SubmittedForm

HIDDEN = {
    "null": "a\x00b",
    "line end": "a\nb",
    "tab": "a\tb",
    "escape": "a\x1bb",
    "delete": "a\x7fb",
    "next line": "a\u0085b",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right-to-left override": "a\u202eb",
    "right-to-left isolate": "a\u2067b",
    "left-to-right mark": "a\u200eb",
    "Arabic letter mark": "a\u061cb",
    "zero width space": "a\u200bb",
    "zero width joiner": "a\u200db",
    "word joiner": "a\u2060b",
    "soft hyphen": "a\u00adb",
    "byte order mark": "a\ufeffb",
    "tag letter": "a\U000e0041b",
    "private use": "a\ue000b",
    "unassigned": "a\u0378b",
    "lone surrogate": "a\ud800b",
}
BLANK = ["", " ", "\u00a0", "\u3000\u2003", "\u3164", "\u2800\u2800", "\u115f\u1160", "\uffa0 "]
SPELLINGS = [
    ("caf\u00e9", "cafe\u0301"),
    ("\u00c5ngstrom", "\u212bngstrom"),
    ("A 1", "A\u00a01"),
    ("A 1", " A 1  "),
    ("\uac00", "\u1100\u1161"),
]


@pytest.mark.parametrize("line", HIDDEN.values(), ids=HIDDEN)
def test_line_with_hidden_character_is_rejected(line):
    with pytest.raises(ValueError):
        require_plain_line(line)
    with pytest.raises(InvalidInput, match="bijlage_naam_ongeldig"):
        validate_bijlage_naam(line + ".pdf")
    with pytest.raises(ValidationError):
        KenmerkHeader(kenmerk=line)
    with pytest.raises(ValidationError):
        StatusIn(map=line)
    assert not _is_single_line(line, 1, 200)
    assert check_short_text(line) is not None


@pytest.mark.parametrize("line", [line for line in HIDDEN.values() if not any(map(str.isspace, line))])
def test_form_field_with_hidden_character_is_rejected(line):
    sent = SubmittedForm({"doel": [line]})
    sent.read_text("doel", max_length=120, missing="Leeg.")
    assert "doel" in sent.faults


@pytest.mark.parametrize("line", BLANK, ids=ascii)
def test_blank_line_is_rejected(line):
    with pytest.raises(ValueError):
        require_plain_line(line)
    with pytest.raises(InvalidInput, match="bijlage_naam_ongeldig"):
        validate_bijlage_naam(line)
    with pytest.raises(ValidationError):
        KenmerkHeader(kenmerk=line)
    assert not _is_single_line(line, 1, 200)
    sent = SubmittedForm({"doel": [line]})
    sent.read_text("doel", max_length=120, missing="Leeg.")
    assert "doel" in sent.faults


@pytest.mark.parametrize(("one", "other"), SPELLINGS, ids=ascii)
def test_unicode_spellings_of_a_line_are_normalised_to_one(one, other):
    assert require_plain_line(one) == require_plain_line(other)
    assert KenmerkHeader(kenmerk=one) == KenmerkHeader(kenmerk=other)
    assert validate_bijlage_naam(one.strip() + ".pdf") == validate_bijlage_naam(other.strip() + ".pdf")


@given(st.text(max_size=40))
def test_plain_line_is_stable_and_holds_nothing_hidden(text):
    try:
        line = require_plain_line(text)
    except ValueError:
        return
    assert require_plain_line(line) == line
    assert unicodedata.is_normalized("NFC", line)
    assert line == line.strip()
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for letter in line)
    assert require_plain_line(unicodedata.normalize("NFD", line)) == line


@given(st.text(min_size=1, max_size=40))
def test_openapi_pattern_matches_accepted_lines(text):
    try:
        accepted = bool(require_plain_line(text))
    except ValueError:
        accepted = False
    try:
        KenmerkHeader(kenmerk=text)
    except ValidationError:
        assert not accepted
    else:
        assert accepted
