"""The texts of notifications: complete, short sentences in two languages, with help and without links."""

import dataclasses
import re

import pytest

from machtiging.message_catalogue import ENGLISH, LANGUAGES, use_language
from machtiging.notifications.texts import MailContact, NotificationKind, render_message
from machtiging.operator_content.help_contact import PRACTICE_HELP, HelpPoint
from tests.builders.mail import MAIL_CONTACT

FACTS = {"machtiging_id": "x", "giver_id": "x", "helper_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
FACTS |= {"app": "Leesapp"}
NAMES = {"giver": "Ans Voorbeeld", "helper": "Bram Voorbeeld"}
BOTH = pytest.mark.parametrize("kind", NotificationKind)
STOP = re.compile("Wilt u dat dit stopt\\?|Do you want this to stop\\?")


@pytest.fixture(params=LANGUAGES, autouse=True)
def language(request):
    with use_language(request.param):
        yield request.param


def render(kind, facts=FACTS, names=NAMES, contact=MAIL_CONTACT):
    return render_message(kind, facts, names, contact)


@BOTH
def test_notification_has_subject_and_says_where_to_look_in_words(kind):
    made = render(kind)
    assert 10 <= len(made.subject) <= 60
    assert re.search("Log in (bij|at) Machtigen", made.body)
    assert "{" not in made.subject + made.body
    assert not re.search(r"(^|\s)/[a-z]", made.body)


@BOTH
def test_notification_ends_with_our_address_the_help_number_and_its_hours(kind, language):
    body = render(kind).body
    foot = body.split("\n\n")[-4:]
    assert "machtigen.example" in foot[0]
    assert PRACTICE_HELP.phone in foot[1]
    assert PRACTICE_HELP.hours.in_language(language) in foot[1]
    assert foot[3] == "Machtigen\n"
    assert not re.search(r"Bel ons dan\.|call us\.", body)


def test_notification_names_the_only_help_point_and_sends_to_the_page_for_more():
    one, other = (
        HelpPoint(name=name, address="Kade 1", postcode="1000 AA", place="Oefenstad") for name in ("Bieb", "Wijkhuis")
    )

    def foot_with(*points):
        help_contact = dataclasses.replace(PRACTICE_HELP, points=points)
        return render(NotificationKind.AANGENOMEN, contact=MailContact("https://m.example", help_contact)).body

    assert "Bieb, Kade 1, Oefenstad." in foot_with(one)
    assert "Bieb" not in foot_with(one, other)
    assert re.search("kies Hulp|choose Help", foot_with(one, other))
    assert not re.search("kies Hulp|choose Help|Bieb", foot_with())


@BOTH
def test_notification_of_running_machtiging_tells_how_to_stop_it(kind):
    body = render(kind).body
    of_a_register = ("wettelijk_", "vervallen_door", "achttien_")  # neither party can stop these
    over = ("ingetrokken", "geweigerd", "teruggegeven", "app_", "uitgelogd", "dossier_")
    not_begun = ("aanbod_voor_organisatie",)  # the organisation can say no
    of_employment = ("uitnodiging_", "medewerker_")  # no machtiging runs
    ended = any(word in kind for word in (*over, *of_a_register, *not_begun, *of_employment))
    if (
        kind is NotificationKind.APP_AFGESLOTEN_BIJ_HELPER
    ):  # the app is revoked, the machtiging of the gemachtigde is not
        ended = False
    assert bool(STOP.search(body)) is not ended


@BOTH
def test_notification_has_no_link_no_number_and_no_name_in_subject(kind):
    made = render(kind)
    assert not re.search(r"https?:|www\.", made.body)
    assert not re.search(r"\d{5,}", made.body)
    assert "Voorbeeld" not in made.subject


@BOTH
def test_notification_sentences_are_short(kind):
    sentences = re.split(r"(?<=[.?:])\s+", render(kind).body)
    assert max(len(sentence.split()) for sentence in sentences) <= 20


@BOTH
def test_notification_without_names_is_readable(kind):
    body = render(kind, FACTS, {}).body
    assert "Voorbeeld" not in body
    assert "  " not in body


def test_notification_of_organisation_without_reader_names_the_organisation():
    facts = {name: value for name, value in FACTS.items() if name != "helper_id"} | {"organisation": "Wijkteam Zuid"}
    for kind in (NotificationKind.GEPAUZEERD_DOOR_U, NotificationKind.INGETROKKEN_DOOR_U):
        assert render(kind, facts, {}).body.count("Wijkteam Zuid") == 2
        assert "Wijkteam Zuid" not in render(kind, FACTS | {"organisation": "Wijkteam Zuid"}, {}).body
    for kind in (NotificationKind.AANGENOMEN_DOOR_ORGANISATIE, NotificationKind.HERVAT_ZONDER_LEZER_DOOR_U):
        body = render(kind, facts, {}).body
        assert "Wijkteam Zuid" in body
        assert re.search("Er leest nog niemand uw post|Nobody reads your letters yet", body)


def test_notification_dates_are_written_out_in_its_language(language):
    body = render(NotificationKind.AANGENOMEN).body
    if language == ENGLISH:
        assert "from 23 November 2026 to the end of 21 February 2027" in body
        assert "Bram Voorbeeld has accepted your permission" in body
    else:
        assert "van 23 november 2026 tot en met 21 februari 2027" in body
        assert "Bram Voorbeeld heeft uw machtiging aangenomen" in body


def test_app_name_in_notification_is_one_line(language):
    named, unnamed = ("the app", "an app") if language == ENGLISH else ("de app", "een app")
    for kind in (kind for kind in NotificationKind if kind.startswith("app_")):
        assert f"{named} Leesapp" in render(kind).body
        assert unnamed in render(kind, {}, NAMES).body
        odd = render(kind, {"app": "Lees\n\nBel {giver} {0}"}, NAMES).body
        assert f"{named} Lees Bel {{giver}} {{0}}" in odd


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
    plain = render(NotificationKind.AANGENOMEN, FACTS, {"helper": "Bram"}).body
    body = render(NotificationKind.AANGENOMEN, FACTS, {"helper": name}).body
    assert body.count("\n") == plain.count("\n")
    assert len(body) <= len(plain) + 2 * 80
    assert all(character.isprintable() or character == "\n" for character in body)


@pytest.mark.parametrize("facts", [{}, {"begins_on": "2026-11-23"}, FACTS | {"ends_on": "morgen"}])
def test_notification_with_incomplete_facts_is_rejected(facts):
    with pytest.raises((KeyError, ValueError)):
        render(NotificationKind.AANGENOMEN, facts, NAMES)
