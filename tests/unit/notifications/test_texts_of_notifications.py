"""What people read: plain, complete, and without anything that does not belong in a mail."""

import re

import pytest

from machtiging.notifications.texts import NotificationKind, render_message

FACTS = {"machtiging_id": "x", "giver_id": "x", "helper_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
FACTS |= {"app": "Leesapp"}
NAMES = {"giver": "Ans Voorbeeld", "helper": "Bram Voorbeeld"}
BOTH = pytest.mark.parametrize("kind", NotificationKind)


@BOTH
def test_every_kind_has_a_subject_and_says_where_to_look_and_what_to_do(kind):
    made = render_message(kind, FACTS, NAMES)
    assert 10 <= len(made.subject) <= 60
    assert ("/apps" if "app_" in kind and "Intrekken" not in made.body else "/machtigingen") in made.body
    assert "{" not in made.subject + made.body


@BOTH
def test_a_machtiging_that_still_runs_says_how_to_stop_it(kind):
    body = render_message(kind, FACTS, NAMES).body
    ended = any(word in kind for word in ("ingetrokken", "geweigerd", "teruggegeven", "app_", "uitgelogd"))
    if kind is NotificationKind.APP_AFGESLOTEN_BIJ_HELPER:  # the app is out, the helper is not
        ended = False
    assert ("Wilt u dat dit stopt?" in body) is not ended


@BOTH
def test_no_link_no_number_and_no_name_in_the_subject(kind):
    made = render_message(kind, FACTS, NAMES)
    assert not re.search(r"https?:|www\.", made.body)
    assert not re.search(r"\d{5,}", made.body)
    assert "Voorbeeld" not in made.subject


@BOTH
def test_sentences_are_short(kind):
    sentences = re.split(r"(?<=[.?:])\s+", render_message(kind, FACTS, NAMES).body)
    assert max(len(sentence.split()) for sentence in sentences) <= 22


@BOTH
def test_without_names_it_still_reads(kind):
    body = render_message(kind, FACTS, {}).body
    assert "Voorbeeld" not in body
    assert "  " not in body


def test_the_days_are_written_out():
    body = render_message(NotificationKind.AANGENOMEN, FACTS, NAMES).body
    assert "van 23 november 2026 tot en met 21 februari 2027" in body
    assert "Bram Voorbeeld heeft uw machtiging aangenomen" in body


def test_an_app_is_called_by_its_name_in_one_line_and_without_one_it_still_reads():
    for kind in (kind for kind in NotificationKind if kind.startswith("app_")):
        assert "de app Leesapp" in render_message(kind, FACTS, NAMES).body
        assert "een app" in render_message(kind, {}, NAMES).body
        odd = render_message(kind, {"app": "Lees\n\nBel {giver} {0}"}, NAMES).body
        assert "de app Lees Bel {giver} {0}" in odd


@pytest.mark.parametrize(
    "name",
    [
        "Bram\r\nBcc: ander@voorbeeld.example",
        "Bram\n\nBel nu 0900-1234 en geef uw code",
        "Bram\x00\x1b[31m",
        "Bram\u2028\u202eVoorbeeld",
        "{giver} {0} %s",
        "B" * 5000,
    ],
)
def test_a_name_cannot_pose_as_a_paragraph_or_a_field(name):
    plain = render_message(NotificationKind.AANGENOMEN, FACTS, {"helper": "Bram"}).body
    body = render_message(NotificationKind.AANGENOMEN, FACTS, {"helper": name}).body
    assert body.count("\n") == plain.count("\n")
    assert len(body) <= len(plain) + 2 * 80
    assert all(character.isprintable() or character == "\n" for character in body)


@pytest.mark.parametrize("facts", [{}, {"begins_on": "2026-11-23"}, FACTS | {"ends_on": "morgen"}])
def test_facts_that_are_incomplete_give_no_text(facts):
    with pytest.raises((KeyError, ValueError)):
        render_message(NotificationKind.AANGENOMEN, facts, NAMES)
