"""The texts of notifications: complete, short sentences, no links and no numbers."""

import re

import pytest

from machtiging.notifications.texts import NotificationKind, render_message

FACTS = {"machtiging_id": "x", "giver_id": "x", "helper_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
FACTS |= {"app": "Leesapp"}
NAMES = {"giver": "Ans Voorbeeld", "helper": "Bram Voorbeeld"}
BOTH = pytest.mark.parametrize("kind", NotificationKind)


@BOTH
def test_notification_has_subject_and_portal_path(kind):
    made = render_message(kind, FACTS, NAMES)
    assert 10 <= len(made.subject) <= 60
    assert ("/apps" if "app_" in kind and "Intrekken" not in made.body else "/machtigingen") in made.body
    assert "{" not in made.subject + made.body


@BOTH
def test_notification_of_running_machtiging_tells_how_to_stop_it(kind):
    body = render_message(kind, FACTS, NAMES).body
    ended = any(word in kind for word in ("ingetrokken", "geweigerd", "teruggegeven", "app_", "uitgelogd"))
    if (
        kind is NotificationKind.APP_AFGESLOTEN_BIJ_HELPER
    ):  # the app is revoked, the machtiging of the gemachtigde is not
        ended = False
    assert ("Wilt u dat dit stopt?" in body) is not ended


@BOTH
def test_notification_has_no_link_no_number_and_no_name_in_subject(kind):
    made = render_message(kind, FACTS, NAMES)
    assert not re.search(r"https?:|www\.", made.body)
    assert not re.search(r"\d{5,}", made.body)
    assert "Voorbeeld" not in made.subject


@BOTH
def test_notification_sentences_are_short(kind):
    sentences = re.split(r"(?<=[.?:])\s+", render_message(kind, FACTS, NAMES).body)
    assert max(len(sentence.split()) for sentence in sentences) <= 22


@BOTH
def test_notification_without_names_is_readable(kind):
    body = render_message(kind, FACTS, {}).body
    assert "Voorbeeld" not in body
    assert "  " not in body


def test_notification_dates_are_written_out():
    body = render_message(NotificationKind.AANGENOMEN, FACTS, NAMES).body
    assert "van 23 november 2026 tot en met 21 februari 2027" in body
    assert "Bram Voorbeeld heeft uw machtiging aangenomen" in body


def test_app_name_in_notification_is_one_line():
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
def test_name_in_notification_cannot_inject_lines_or_fields(name):
    plain = render_message(NotificationKind.AANGENOMEN, FACTS, {"helper": "Bram"}).body
    body = render_message(NotificationKind.AANGENOMEN, FACTS, {"helper": name}).body
    assert body.count("\n") == plain.count("\n")
    assert len(body) <= len(plain) + 2 * 80
    assert all(character.isprintable() or character == "\n" for character in body)


@pytest.mark.parametrize("facts", [{}, {"begins_on": "2026-11-23"}, FACTS | {"ends_on": "morgen"}])
def test_notification_with_incomplete_facts_is_rejected(facts):
    with pytest.raises((KeyError, ValueError)):
        render_message(NotificationKind.AANGENOMEN, facts, NAMES)
