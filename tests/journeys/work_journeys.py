"""The journeys of employees, administrators, operators and the auditor, as in `portal_journeys`."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from machtiging.message_catalogue import get_sentence
from machtiging.simulators.personas import PERSONAS, TEAM
from tests.journeys.browser_user import BrowserUser
from tests.journeys.portal_journeys import GIVER

WORKER, COLLEAGUE, OPERATOR, SECOND_OPERATOR, AUDITOR, DIRECTOR, VERIFIER = (
    *("raadslid", "collega", "beheerder", "tweede-beheerder", "auditor", "bestuurder", "controleur"),
)
AGENCY = "Belastingdienst"
ADMINISTRATOR, CARE_WORKER, _ = TEAM


def read_of_all_clients(user: BrowserUser, prepare: BrowserUser) -> None:
    """Fatima opens a letter from today in one press, and finds a client by name."""
    user.log_in(WORKER)
    user.open("/werk")
    user.expect_heading("work.today.title")
    user.follow_to("/werk/clienten/")
    assert "/brieven/" in user.path
    assert user.text_of(".m-behalf")
    user.open_menu("frame.menu.clients")
    user.write("zoek", "yil")
    user.press("work.clients.show")
    links = user.window.evaluate("[...document.querySelectorAll('main table a strong')].map(one => one.innerText)")
    assert links == ["Ali Yıldız"]
    user.follow_to("/werk/clienten/")
    assert user.heading == "Ali Yıldız"
    user.open_menu("frame.menu.own_record")
    assert "Ali Yıldız" in user.content


def ask_a_new_client(user: BrowserUser, prepare: BrowserUser) -> None:
    """Fatima asks Riet in the room; Riet types the code and says yes; Fatima reads."""
    user.log_in(WORKER)
    user.open_menu("frame.menu.clients")
    user.follow("work.new.title")
    user.follow_to("/werk/nieuwe-client/vraag")
    user.press("giving.next")
    user.expect_faults("voor")
    user.write("voor", "mevrouw van het spreekuur")
    user.press("giving.next")
    user.expect_heading("work.new.check_title")
    user.press("work.new.make")
    code, request = user.text_of("output.m-code"), user.path
    user.log_in(GIVER)
    user.open("/helpers/vraag")
    user.write("code", code)
    user.press("requests.code.next")
    assert PERSONAS[WORKER].name in user.heading
    user.press("requests.decide.yes")
    user.expect("helpers.state.in_force")
    user.log_in(WORKER)
    user.open(request)
    user.expect("work.new.agreed")
    user.follow("work.new.to_client")
    assert user.heading == PERSONAS[GIVER].name


def assign_and_replace(user: BrowserUser, prepare: BrowserUser) -> None:
    """The administrator assigns a client without a reader, arranges a stand-in, and undoes both."""
    user.log_in(WORKER)
    user.open("/organisatie")
    user.press("organisation.assign.submit")
    user.expect_faults("client", "medewerker")
    client = user.window.evaluate("document.querySelector('main tbody input[name=client]').value")
    user.choose("client", client)
    user.pick("medewerker", PERSONAS[COLLEAGUE].name)
    user.press("organisation.assign.submit")
    user.expect_heading("organisation.results.title")
    assert PERSONAS[COLLEAGUE].name in user.content
    user.open(f"/organisatie/clienten/{client}")
    user.follow_to(f"/organisatie/clienten/{client}/toewijzingen/")
    user.press("organisation.end.yes")
    user.expect("organisation.client.ended")
    user.open_menu("frame.menu.stand_ins")
    user.pick("afwezige", PERSONAS[WORKER].name)
    user.pick("vervanger", PERSONAS[COLLEAGUE].name)
    for part in ("dag", "maand", "jaar"):
        user.write(f"tot_{part}", user.value_of(f"van_{part}"))
    user.press("organisation.stand_ins.submit")
    user.expect("organisation.stand_ins.runs")
    user.press("organisation.stand_ins.stop", about=PERSONAS[COLLEAGUE].name)
    user.expect("organisation.stand_ins.none")


def assign_to_a_team(user: BrowserUser, prepare: BrowserUser) -> None:
    """The administrator assigns a client to a new team. Its member reads, until she leaves the team."""
    user.log_in(WORKER)
    user.open("/organisatie/teams")
    user.press("organisation.team.create")
    user.expect_faults("naam")
    team = f"Schulden {secrets.token_hex(3)}"
    user.write("naam", team)
    user.press("organisation.team.create")
    user.expect("organisation.team.created")
    of_team = user.path
    user.pick("medewerker", PERSONAS[COLLEAGUE].name)
    user.press("organisation.team.add")
    user.open("/organisatie")
    client = user.window.evaluate("document.querySelector('main tbody input[name=client]').value")
    name = user.window.evaluate("document.querySelector('main tbody label').innerText.split('\\n')[0]")
    user.choose("client", client)
    user.pick("medewerker", get_sentence("organisation.assign.team", user.language, name=team, n=1))
    user.press("organisation.assign.submit")
    user.expect_heading("organisation.results.title")
    assert team in user.content
    prepare.log_in(COLLEAGUE)
    prepare.open("/werk/clienten")
    assert name in prepare.content
    user.open(of_team)
    user.press("organisation.team.remove", name=PERSONAS[COLLEAGUE].name)
    prepare.open("/werk/clienten")
    assert name not in prepare.content
    user.open(f"/organisatie/clienten/{client}")
    user.follow_to(f"/organisatie/clienten/{client}/toewijzingen/")
    user.press("organisation.end.yes")
    user.expect("organisation.client.ended")


def recognise_and_hire(user: BrowserUser, prepare: BrowserUser) -> None:
    """Two operators recognise an organisation; its administrator invites an employee and lets her go."""
    kvk = str(91_000_000 + secrets.randbelow(8_000_000))
    user.log_in(OPERATOR)
    user.open("/beheer")
    user.follow("operator.register.new")
    user.write("naam", f"Buurthuis {kvk}")
    user.choose("soort", "welzijn")
    user.write("kvk", kvk)
    user.write("grond", "oefening")
    user.press("operator.new.save")
    organisation = user.path
    user.follow_to(f"{organisation}/voorstel")
    user.press("operator.propose.save")
    user.expect_faults("grond")
    user.write("grond", "oefening")
    user.press("operator.propose.save")
    user.expect("operator.organisation.own_proposal")
    user.log_in(SECOND_OPERATOR)
    user.open(organisation)
    user.press("operator.organisation.confirm")
    user.expect("operator.done.bevestigd")
    user.follow("operator.invite.title")
    user.write("naam", ADMINISTRATOR.name)
    user.write("inlogkenmerk", ADMINISTRATOR.build_claims()["sub"])
    user.press("operator.invite.save")
    user.log_in(f"{ADMINISTRATOR.key}@{kvk}")
    user.open("/organisatie/medewerkers")
    user.follow("organisation.employees.invite")
    user.expect("organisation.link.intro")
    user.follow("organisation.link.by_account")
    user.write("naam", CARE_WORKER.name)
    user.write("inlogkenmerk", CARE_WORKER.build_claims()["sub"])
    user.press("organisation.invite.submit")
    user.expect("organisation.employees.invited")
    prepare.log_in(f"{CARE_WORKER.key}@{kvk}")
    user.open("/organisatie/medewerkers")
    employee = user.window.evaluate(
        "name => [...document.querySelectorAll('main table a')].find(one => one.innerText === name).pathname",
        CARE_WORKER.name,
    )
    user.follow_to(employee)
    user.follow("organisation.employee.departure")
    user.press("organisation.departure.yes")
    user.expect("organisation.employees.departed")


def look_as_auditor(user: BrowserUser, prepare: BrowserUser) -> None:
    """The auditor reads the policy, the state of the journal and the figures."""
    user.log_in(AUDITOR)
    user.open("/beheer")
    user.open_menu("frame.menu.policy")
    user.expect_heading("operator.policy.title")
    user.open_menu("frame.menu.journal")
    user.expect_heading("operator.journal.title")
    user.open_menu("frame.menu.figures")
    user.expect_heading("operator.figures.title")
    user.open_menu("frame.menu.unusual")
    user.expect_heading("operator.unusual.title")


def give_as_director(user: BrowserUser, prepare: BrowserUser) -> None:
    """Yvonne reads a letter of her business, lets Fatima's office help it, and ends that."""
    user.log_in(DIRECTOR)
    user.open("/bedrijf")
    user.follow("business.home.read")
    assert user.text_of(".m-behalf")
    user.open("/bedrijf")
    user.follow("business.helpers.add")
    user.write("zoek", "raadslieden")
    user.press("giving.organisation.search_button")
    user.follow_to("/bedrijf/helpers/nieuw/")
    user.press("business.terms.give")
    user.expect_faults("doel", "bestaand", "gevoelig", "bijlagen", "duur")
    user.write("doel", "de boekhouding")
    for name, value in {"bestaand": "jaar", "gevoelig": "ja", "bijlagen": "ja", "duur": "90"}.items():
        user.choose(name, value)
    user.press("business.terms.give")
    user.expect("business.helper.offered")
    given = user.path
    prepare.log_in(WORKER)
    prepare.open(given.replace("/bedrijf/helpers/", "/organisatie/aangeboden/"))
    prepare.press("organisation.offer.accept")
    user.open(given)
    user.expect("business.helper.no_reader")
    user.press("business.helper.pause")
    user.press("business.helper.resume")
    user.follow("business.helper.end")
    user.press("helpers.end.yes")
    user.open("/bedrijf")
    user.expect("business.helpers.title")


def check_with_a_code(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet makes a code for an agency; Sanne checks it there; Riet sees the answer."""
    user.log_in(GIVER)
    user.open("/controleren")
    user.follow_to("/controleren/nieuw/")
    user.press("checks.new.make")
    user.expect_faults("afzender", "doel")
    user.pick("afzender", AGENCY)
    user.choose("doel", "balie")
    user.choose("duur", "kwartier")
    user.press("checks.new.make")
    user.expect_heading("checks.code.title", agency=AGENCY)
    code, place = user.text_of("output.m-code"), user.path
    user.log_in(VERIFIER)
    user.open("/controle")
    user.press("checks.check.ask")
    user.expect_faults("code", "dienst")
    user.write("code", code.lower().replace("-", " "))
    user.pick("dienst", "Inkomstenbelasting")
    user.choose("doel", "balie")
    user.press("checks.check.ask")
    user.expect_heading("checks.answer.yes")
    user.follow("checks.answer.again")
    user.write("code", "0000-0000")
    user.pick("dienst", "Inkomstenbelasting")
    user.choose("doel", "balie")
    user.press("checks.check.ask")
    user.expect_faults("code")
    user.log_in(GIVER)
    user.open(place)
    user.expect("checks.code.is_used", agency=AGENCY)
    user.open("/wie-keek-mee")
    assert AGENCY in user.content


WORK_JOURNEYS: dict[str, Callable[[BrowserUser, BrowserUser], None]] = {
    "read of all clients": read_of_all_clients,
    "ask a new client": ask_a_new_client,
    "assign and replace": assign_and_replace,
    "assign to a team": assign_to_a_team,
    "recognise and hire": recognise_and_hire,
    "look as auditor": look_as_auditor,
    "give as director": give_as_director,
    "check with a code": check_with_a_code,
}
