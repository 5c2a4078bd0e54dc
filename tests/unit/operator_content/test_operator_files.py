"""Files of the operator: help points, and changes of the service. Anything unclear stops the start."""

import pytest

from machtiging.app import build_help_contact
from machtiging.cli.doctor_checks import installation
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.kernel.errors import Fault
from machtiging.operator_content.help_contact import PRACTICE_HELP, HelpPoint, find_nearest_points, load_help_points
from machtiging.operator_content.service_changes import ChangeStatus, DeclineReason, load_service_changes
from machtiging.operator_content.yaml_file import MAX_FILE_BYTES
from machtiging.settings import Settings

POINT = "- {name: Bibliotheek, address: Straat 1, postcode: 1234 AB, place: Oefenstad}\n"
TEXTS = "title: {nl: Iets, en: A thing}, text: {nl: Dat., en: That.}"


def write_file(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return path


def test_practice_help_points_and_changes_load():
    assert len(load_help_points(None)) > 3
    changes = load_service_changes(None)
    assert {one.status for one in changes} == set(ChangeStatus)
    assert {one.reason for one in changes if one.reason} == set(DeclineReason)


def test_practice_help_is_obviously_invented():
    assert PRACTICE_HELP.phone.startswith("000")
    assert PRACTICE_HELP.accessibility_email.endswith(".example")


def test_help_contact_has_the_values_of_the_settings(tmp_path):
    settings = Settings(
        service_owner="Gemeente Test", help_phone="+31 88 - 000 00 00", help_hours="altijd", help_hours_en="always",
        help_points_file=write_file(tmp_path, POINT),
    )  # fmt: skip
    contact = build_help_contact(settings)
    assert contact.owner == "Gemeente Test"
    assert contact.phone_link == "tel:+31880000000"
    assert (contact.hours.in_language("nl"), contact.hours.in_language("en")) == ("altijd", "always")
    assert [point.name for point in contact.points] == ["Bibliotheek"]


def test_empty_file_has_no_items(tmp_path):
    assert load_help_points(write_file(tmp_path, "")) == ()
    assert load_service_changes(write_file(tmp_path, "# later\n")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "hallo", "{}", "- 1", "- {}", "- {name: x", "\x00", POINT.replace("1234 AB", "0234 AB"),
        POINT.replace("1234 AB", "1234ab"), POINT.replace("Bibliotheek", "''"), POINT.replace("}", ", extra: 1}"),
        POINT.replace("Bibliotheek", "12"), POINT.replace("Bibliotheek", '"a\\nb"'),
        POINT.replace("Bibliotheek", "x" * 1001), "- !!python/object/apply:os.system [ls]", "[" * 5000,
    ],
)  # fmt: skip
def test_malformed_help_points_are_a_fault_with_the_file(tmp_path, text):
    path = write_file(tmp_path, text)
    with pytest.raises(Fault, match="hulppunten_onleesbaar") as refused:
        load_help_points(path)
    assert str(path) in refused.value.private
    assert "\n" not in refused.value.private


def test_absent_and_oversized_file_are_a_fault(tmp_path):
    with pytest.raises(Fault, match="hulppunten_onleesbaar"):
        load_help_points(tmp_path / "niets.yaml")
    with pytest.raises(Fault, match="hulppunten_onleesbaar"):
        load_help_points(write_file(tmp_path, "#" * (MAX_FILE_BYTES + 1)))


def test_file_that_is_no_utf8_is_a_fault(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_bytes(b"- \xff\xfe")
    with pytest.raises(Fault, match="aanpassingen_onleesbaar"):
        load_service_changes(path)


def test_declined_change_without_reason_is_a_fault_that_names_the_item(tmp_path):
    text = f"- {{{TEXTS}, status: klaar}}\n- {{{TEXTS}, status: afgewezen}}\n"
    with pytest.raises(Fault, match="aanpassingen_onleesbaar") as refused:
        load_service_changes(write_file(tmp_path, text))
    assert "item 2" in refused.value.private
    assert "needs a reason: veiligheid, kosten, wet, later" in refused.value.private


@pytest.mark.parametrize(
    "end",
    [
        "status: klaar, reason: wet", "status: gepland, reason: later", "status: afgewezen, reason: zomaar",
        "status: ooit", "reason: wet", "status: afgewezen, reason: ''", "status: 1",
    ],
)  # fmt: skip
def test_change_with_wrong_status_or_reason_is_a_fault(tmp_path, end):
    with pytest.raises(Fault, match="aanpassingen_onleesbaar"):
        load_service_changes(write_file(tmp_path, f"- {{{TEXTS}, {end}}}\n"))


@pytest.mark.parametrize("reason", list(DeclineReason))
def test_declined_change_with_reason_is_loaded(tmp_path, reason):
    (change,) = load_service_changes(write_file(tmp_path, f"- {{{TEXTS}, status: afgewezen, reason: {reason}}}\n"))
    assert (change.status, change.reason) == (ChangeStatus.DECLINED, reason)


def test_change_in_one_language_is_a_fault(tmp_path):
    with pytest.raises(Fault, match="aanpassingen_onleesbaar") as refused:
        load_service_changes(write_file(tmp_path, "- {title: {nl: Iets}, text: {nl: a, en: b}, status: klaar}"))
    assert "item 1.title.en" in refused.value.private


def make_point(name, postcode):
    return HelpPoint(name=name, address="Straat 1", postcode=postcode, place="Oefenstad")


def test_nearest_help_points_are_sorted_by_postcode_digits():
    points = tuple(make_point(name, code) for name, code in [("c", "9712 YY"), ("a", "1000 AA"), ("b", "1013AB")])
    assert [one.name for one in find_nearest_points(points, " 1012 ab ")] == ["b", "a", "c"]
    assert [one.name for one in find_nearest_points(points, "97")] == ["c", "b", "a"]


@pytest.mark.parametrize("typed", ["", "0123", "12345", "Oefenstad", "1012 A", "10 12", "²012", "<b>", "-5"])
def test_text_that_is_no_postcode_finds_no_order(typed):
    assert find_nearest_points((make_point("a", "1000 AA"),), typed) is None


def test_doctor_reports_the_files(tmp_path):
    assert installation.check_operator_content(Settings()).status is FindingStatus.OK
    wrong = installation.check_operator_content(Settings(service_changes_file=tmp_path / "niets.yaml"))
    assert wrong.status is FindingStatus.WRONG
    assert "niets.yaml" in wrong.detail
