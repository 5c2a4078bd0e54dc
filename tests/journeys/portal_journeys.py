"""The journeys of citizens and helpers through the portal, for every browser and screen.

`user` goes the way. `prepare` makes what a journey begins with, in a window of its own; nobody checks its pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from machtiging.simulators.personas import PERSONAS
from tests.journeys.browser_user import BrowserUser

GIVER, HELPER = "vertegenwoordigde", "naaste"
CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{2}")


def fill_offer(user: BrowserUser) -> None:
    """Answer all steps of the wizard from the first. The check page is on the screen then."""
    user.choose("soort", "relative")
    user.write("naam", "mijn zoon Bram")
    user.write("doel", "samen de post doen")
    user.press("giving.next")
    user.expect_heading("giving.letters.title")
    user.choose("keuze", "behalve-medisch")
    user.press("giving.next")
    user.expect_heading("giving.reading.title")
    user.choose("bestaand", "jaar")
    user.choose("gevoelig", "nee")
    user.choose("bijlagen", "ja")
    user.press("giving.next")
    user.expect_heading("giving.period.title")
    user.choose("duur", "30")
    user.press("giving.next")
    user.expect_heading("giving.check.title")


def make_code(user: BrowserUser) -> str:
    """Give a machtiging as Riet; returns the code."""
    user.log_in(GIVER)
    user.open("/helpers/nieuw")
    fill_offer(user)
    user.press("giving.check.make")
    return user.text_of("output.m-code")


def enter_code(user: BrowserUser, code: str) -> None:
    """Fill in the code and the birth date of Riet on the open page."""
    year, month, day = str(PERSONAS[GIVER].birthdate).split("-")
    user.write("code", code.lower().replace("-", " "))
    for part, value in (("dag", str(int(day))), ("maand", str(int(month))), ("jaar", year)):
        user.write(f"geboren_{part}", value)
    user.press("helping.code.next")


def make_agreement(user: BrowserUser) -> str:
    """Give a machtiging as Riet and accept it as Bram; returns its id. Bram is logged in then."""
    code = make_code(user)
    user.log_in(HELPER)
    user.open("/ik-help/code")
    enter_code(user, code)
    user.press("helping.accept.yes")
    return user.path.removeprefix("/ik-help/")


def read_first_letter(user: BrowserUser, agreement: str) -> str:
    """Read the newest letter as Bram; returns its id."""
    user.open(f"/ik-help/{agreement}/brieven")
    user.follow_to(f"/ik-help/{agreement}/brieven/")
    return user.path.rpartition("/")[2]


def open_helper(user: BrowserUser, agreement: str) -> None:
    """Open the page of this helper as Riet, by the list."""
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.follow_to(f"/helpers/{agreement}")


def expect_helper_reads(user: BrowserUser, agreement: str, *, reads: bool) -> None:
    """Fail unless Bram can read, or cannot."""
    user.log_in(HELPER)
    user.open(f"/ik-help/{agreement}/brieven")
    if reads:
        user.expect_heading("helping.letters.title", name=PERSONAS[GIVER].name)
    else:
        user.expect_heading("helping.not_now.title")


def give(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet makes a machtiging for Bram, after she forgot to answer; Bram says yes."""
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.follow("helpers.list.new")
    user.press("giving.next")
    user.expect_faults("soort", "naam", "doel")
    fill_offer(user)
    user.expect("giving.preview.title")
    user.press("giving.check.make")
    code = user.text_of("output.m-code")
    assert CODE.fullmatch(code)
    user.follow("giving.code.to_list")
    user.expect("helpers.list.offer", purpose="mijn zoon Bram")
    user.log_in(HELPER)
    user.open("/ik-help")
    user.follow("helping.people.enter_code")
    enter_code(user, code)
    user.expect_heading("helping.accept.title")
    user.press("helping.accept.yes")
    user.expect("labels.confirmation.aangenomen")
    agreement = user.path.removeprefix("/ik-help/")
    open_helper(user, agreement)
    user.expect("helpers.state.in_force")


def refuse(user: BrowserUser, prepare: BrowserUser) -> None:
    """Bram forgets the code, then fills it in and refuses; Riet sees that."""
    code = make_code(prepare)
    user.log_in(HELPER)
    user.open("/ik-help/code")
    enter_code(user, "")
    user.expect_faults("code")
    user.write("code", code)
    user.press("helping.code.next")
    user.press("helping.accept.no")
    user.expect("labels.confirmation.geweigerd")
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.unfold_within_content()
    user.expect("helpers.ended.geweigerd")


def narrow(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet takes a subject and the attachments away; at first she takes every subject away."""
    agreement = make_agreement(prepare)
    open_helper(user, agreement)
    user.follow("helpers.detail.narrow")
    themes = user.window.evaluate("[...document.querySelectorAll('[name=themas]')].map(one => one.value)")
    for theme in themes:
        user.untick("themas", theme)
    user.press("helpers.narrow.save")
    user.expect_faults("themas")
    for theme in themes:
        if theme != "belastingen":
            user.choose("themas", theme)
    user.choose("zonder", "bijlagen")
    user.press("helpers.narrow.save")
    user.expect("labels.confirmation.beperkt")
    user.expect_not("labels.act.downloaden")
    user.log_in(HELPER)
    user.open("/ik-help")
    user.follow_to(f"/ik-help/{agreement}")
    user.expect_not("labels.act.downloaden")


def see_who_looked(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet sees what Bram read, finds it again with the filter, and opens the letter."""
    agreement = make_agreement(prepare)
    letter = read_first_letter(prepare, agreement)
    user.log_in(GIVER)
    user.open_menu("frame.menu.history")
    user.expect_heading("history.title")
    user.expect("history.line.read_letter")
    user.unfold("history.filter.title")
    user.choose("geweigerd", "ja")
    user.press("history.filter.show")
    user.expect("history.filter.now")
    user.follow("history.filter.clear")
    user.follow_to(f"/brieven/{letter}")
    user.expect("letters.seen.helper", name=PERSONAS[HELPER].name)
    open_helper(user, agreement)
    user.expect("helpers.lines.title")
    user.expect("labels.journal.bericht.lezen")


def pause(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet pauses Bram and lets him go on."""
    agreement = make_agreement(prepare)
    open_helper(user, agreement)
    user.press("helpers.detail.pause")
    user.expect("labels.confirmation.gepauzeerd")
    user.expect("helpers.state.paused")
    expect_helper_reads(user, agreement, reads=False)
    open_helper(user, agreement)
    user.press("helpers.detail.resume")
    user.expect("labels.confirmation.hervat")
    expect_helper_reads(user, agreement, reads=True)


def stop(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet stops with Bram, after a question and a doubt."""
    agreement = make_agreement(prepare)
    open_helper(user, agreement)
    user.follow("helpers.detail.end")
    user.expect_heading("helpers.end.title")
    user.follow("helpers.question.no")
    user.expect("helpers.state.in_force")
    user.follow("helpers.detail.end")
    user.press("helpers.end.yes")
    user.expect("labels.confirmation.ingetrokken")
    user.expect("helpers.ended.ingetrokken")
    expect_helper_reads(user, agreement, reads=False)


def stop_everything(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet uses the emergency stop, and lifts it."""
    agreement = make_agreement(prepare)
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.follow("helpers.list.stop_link")
    user.press("helpers.stop.yes")
    user.expect("helpers.stop.done")
    expect_helper_reads(user, agreement, reads=False)
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.expect("helpers.list.stopped")
    user.follow("helpers.list.stopped_link")
    user.press("helpers.stop.lift")
    user.expect("helpers.stop.lifted")
    expect_helper_reads(user, agreement, reads=True)


def read_as_helper(user: BrowserUser, prepare: BrowserUser) -> None:
    """Bram reads a letter of Riet and saves its attachment. A band says whose post it is."""
    agreement = make_agreement(prepare)
    giver = PERSONAS[GIVER].name
    user.log_in(HELPER)
    user.open("/ik-help")
    user.follow_to(f"/ik-help/{agreement}/brieven")
    user.expect_heading("helping.letters.title", name=giver)
    assert giver in user.text_of(".m-behalf")
    letters = user.window.evaluate(
        "[...document.querySelectorAll('main .m-list li')].map(one => [one.querySelector('a').pathname, one.innerText])"
    )
    with_attachment = next(path for path, words in letters if "bijlage" in words or "attachment" in words)
    user.follow_to(with_attachment)
    assert giver in user.text_of(".m-behalf")
    user.expect("helping.letter.seen", name=giver)
    saved = user.save_file()
    assert saved.startswith(b"%PDF-")
    user.follow("helping.agreed.link")
    user.expect_heading("helping.agreement.heading", name=giver)


def share_one_letter(user: BrowserUser, prepare: BrowserUser) -> None:
    """Riet shares one letter; Bram reads that letter and sees no other."""
    user.log_in(GIVER)
    user.open_menu("frame.menu.letters")
    user.follow_to("/brieven/0")
    letter = user.path
    user.follow("letters.share.link")
    user.press("letters.share.next")
    user.expect_faults("naam", "soort")
    user.write("naam", "Bram")
    user.choose("soort", "relative")
    user.press("letters.share.next")
    user.expect_heading("letters.share.check_title")
    user.press("letters.share.yes")
    code = user.text_of("output.m-code")
    user.log_in(HELPER)
    user.open("/ik-help/code")
    enter_code(user, code)
    user.press("helping.accept.yes")
    agreement = user.path
    user.follow("helping.people.read")
    links = user.window.evaluate("[...document.querySelectorAll('main .m-list a')].map(one => one.pathname)")
    assert links == [agreement + letter]


def ask_to_help(user: BrowserUser, prepare: BrowserUser) -> None:
    """Bram asks to help; Riet types his code and agrees to less than he asked."""
    user.log_in(HELPER)
    user.open("/ik-help")
    user.follow("requests.people.link")
    user.follow("requests.list.new")
    user.press("giving.next")
    user.expect_faults("voor", "ik", "doel")
    user.write("voor", "mijn moeder")
    user.write("ik", "uw zoon Bram")
    user.write("doel", "de zorgtoeslag regelen")
    user.press("giving.next")
    user.choose("keuze", "behalve-medisch")
    user.press("giving.next")
    user.choose("bestaand", "jaar")
    user.choose("gevoelig", "nee")
    user.choose("bijlagen", "ja")
    user.press("giving.next")
    user.choose("duur", "90")
    user.press("giving.next")
    user.press("requests.check.make")
    code = user.text_of("output.m-code")
    user.log_in(GIVER)
    user.open_menu("frame.menu.helpers")
    user.follow("requests.helpers.link")
    user.write("code", code)
    user.press("requests.code.next")
    user.expect_heading("requests.decide.title", name=PERSONAS[HELPER].name)
    user.unfold("requests.decide.less")
    user.choose("zonder", "bijlagen")
    user.press("requests.decide.yes_less")
    user.expect("helpers.state.in_force")
    user.expect_not("labels.act.downloaden")
    expect_helper_reads(user, user.path.rpartition("/")[2], reads=True)


JOURNEYS: dict[str, Callable[[BrowserUser, BrowserUser], None]] = {
    "give": give,
    "refuse": refuse,
    "narrow": narrow,
    "see who looked": see_who_looked,
    "pause": pause,
    "stop": stop,
    "stop everything": stop_everything,
    "read as a helper": read_as_helper,
    "share one letter": share_one_letter,
    "ask to help": ask_to_help,
}
