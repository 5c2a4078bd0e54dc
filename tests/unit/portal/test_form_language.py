"""Dates of forms are read, and faults said, in both languages."""

from datetime import date

import pytest

from machtiging.message_catalogue import ENGLISH, use_language
from machtiging.portal.forms import SubmittedForm


def make_form(day, month, year):
    return SubmittedForm({"dag_dag": [day], "dag_maand": [month], "dag_jaar": [year]})


@pytest.mark.parametrize(
    ("typed", "month"), [("maart", 3), ("March", 3), ("MEI", 5), ("may", 5), ("Oktober", 10), ("7", 7)]
)
def test_month_is_read_in_dutch_and_in_english(typed, month):
    sent = make_form("1", typed, "2027")
    assert sent.read_date("dag", missing="") == date(2027, month, 1)
    assert sent.faults == {}


@pytest.mark.parametrize("typed", ["mars", "13", "", "ma", "januari februari"])
def test_month_of_another_language_or_number_is_a_fault(typed):
    sent = make_form("1", typed, "2027")
    assert sent.read_date("dag", missing="") is None
    assert sent.faults["dag"].startswith("Deze datum bestaat niet.")


def test_fault_is_said_in_the_language_of_the_request():
    sent = SubmittedForm({"doel": ["a" * 30], "kies": ["x"]})
    with use_language(ENGLISH):
        sent.read_text("doel", max_length=20, missing="")
        sent.read_choices("kies", {"y"})
    assert sent.faults == {"doel": "Use at most 20 characters.", "kies": "Choose from the list only."}
