"""The menu and the switcher follow the page, and what the login is for."""

from __future__ import annotations

import pytest

from machtiging.web.frame.navigation import LoginKind, Place, build_menu, build_places, find_place

EMPLOYEE, OPERATOR = LoginKind(works=True), LoginKind(operates=True)


@pytest.mark.parametrize(
    ("path", "login", "place"),
    [
        ("/", LoginKind(), Place.OWN),
        ("/hulp", LoginKind(), Place.OWN),
        ("/hulp", EMPLOYEE, Place.WORK),
        ("/", OPERATOR, Place.OWN),
        ("/ik-help/code", LoginKind(), Place.HELPING),
        ("/werk", EMPLOYEE, Place.WORK),
        ("/werkplaats", LoginKind(), Place.OWN),
        ("/organisatie/teams", EMPLOYEE, Place.ORGANISATION),
        ("/beheer/journaal", OPERATOR, Place.OPERATOR),
    ],
)
def test_page_belongs_to_the_place_of_its_path_or_of_the_login(path, login, place):
    assert find_place(path, login) is place


def test_employee_cannot_switch_to_own_post():
    hrefs = [place.href for place in build_places("/werk", EMPLOYEE)]

    assert hrefs == ["/werk", "/organisatie"]


def test_private_login_is_offered_no_work_and_no_service():
    assert [place.href for place in build_places("/", LoginKind())] == ["/", "/ik-help"]


def test_operator_can_switch_to_the_service():
    assert [place.href for place in build_places("/beheer", OPERATOR) if place.is_current] == ["/beheer"]


@pytest.mark.parametrize("path", ["/werk", "/organisatie", "/beheer", "/ik-help", "/"])
def test_first_page_of_a_place_marks_one_item_of_the_menu(path):
    assert [item.href for item in build_menu(path) if item.current] == [path]


def test_page_below_marks_its_item_and_not_the_first_page():
    marked = {item.href: item.current for item in build_menu("/werk/clienten/1/brieven", EMPLOYEE) if item.current}

    assert marked == {"/werk/clienten": "true"}


def test_supervisor_has_the_two_pages_of_that_role_in_menu_and_switcher():
    supervisor = LoginKind(works=True, only_supervises=True)

    menu = [item.href for item in build_menu("/organisatie/toezicht", supervisor)]
    places = [place.href for place in build_places("/organisatie/toezicht", supervisor)]
    assert (menu, places) == (["/organisatie/toezicht", "/organisatie/logboek"], ["/organisatie/toezicht"])
