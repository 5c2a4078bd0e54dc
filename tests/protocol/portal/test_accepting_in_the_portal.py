"""Accepting: the helper sees exactly what is offered before anything happens, and every wrong code looks the same."""

import pytest

from tests.builders.delegation import BORN
from tests.builders.login import ISSUER
from tests.builders.portal import ACCEPT, accept_with, give_code, make_offer

NOT_A_DAY = {"geboren_dag": "30", "geboren_maand": "2"}


async def test_the_helper_sees_exactly_what_he_accepts_and_nothing_has_happened_yet(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await give_code(son, code)
    for part in ("Ans Voorbeeld", "post bijhouden", "Belastingdienst", "zorg en gezondheid", "bijlagen opslaan"):
        assert part in page.text
    assert "UWV" not in page.text
    assert "Van niemand" in (await son.open(ISSUER + "/machtigingen")).text


async def test_after_accepting_both_see_the_machtiging(portal):
    mother, son = await portal.mother(), await portal.son()
    page = await accept_with(son, await make_offer(mother))
    assert "U heeft de machtiging aangenomen" in page.text
    assert "U mag post lezen van Ans Voorbeeld" in page.text
    assert "Bram Voorbeeld" in (await mother.open(ISSUER + "/machtigingen")).text


async def test_refusing_uses_the_code_up(portal):
    mother, son = await portal.mother(), await portal.son()
    code = await make_offer(mother)
    shown = await give_code(son, code)
    page = await son.submit(shown.form("/besluit"), {"besluit": "weigeren"})
    assert "U heeft de machtiging geweigerd" in page.text
    await give_code(son, code, expect=400)
    assert "Geweigerd" in (await mother.open(ISSUER + "/machtigingen")).text


@pytest.mark.parametrize(
    "wrong",
    [{"code": "00000-00000"}, {"code": "hallo"}, {"geboren_jaar": str(BORN.year + 1)}],
    ids=["a code that is nobody's", "no code at all", "another birth date"],
)
async def test_every_wrong_answer_gets_the_same_page(portal, wrong):
    code = await make_offer(await portal.mother())
    page = await give_code(await portal.son(), **{"code": code, "expect": 400, **wrong})
    assert "Deze code en geboortedatum horen niet bij een machtiging die u kunt aannemen" in page.text
    kept = page.form(ACCEPT).values
    assert (kept["code"], kept["geboren_dag"]) == (wrong.get("code", code), str(BORN.day))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"code": ""}, "Vul de machtigingscode in."), (NOT_A_DAY, "Deze datum bestaat niet.")],
    ids=["no code", "the thirtieth of February"],
)
async def test_what_cannot_be_right_is_told_at_its_field_and_costs_no_try(portal, wrong, sentence):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    for _ in range(7):
        page = await give_code(son, **{"code": code, "expect": 400, **wrong})
        assert sentence in page.text
    await give_code(son, code)


@pytest.mark.parametrize("part", ["dag", "maand", "jaar"])
async def test_a_date_of_400_digits_is_told_at_its_field_on_both_forms(portal, part):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    huge = {f"geboren_{part}": "1" * 400}
    assert "Deze datum bestaat niet." in (await give_code(son, code, expect=400, **huge)).text
    decision = (await give_code(son, code)).form("/besluit")
    page = await son.submit(decision, {"besluit": "aannemen", **huge}, expect=400)
    assert "Deze datum bestaat niet." in page.text


async def test_guessing_a_sixth_time_is_stopped_although_the_page_was_answered_each_time(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    for _ in range(5):
        await give_code(son, "00000-00000", expect=400)
    page = await give_code(son, code, expect=429)
    assert "te vaak" in page.text


async def test_nobody_accepts_an_offer_of_his_own(portal):
    mother = await portal.mother()
    page = await give_code(mother, await make_offer(mother), expect=403)
    assert "U kunt uzelf niet machtigen" in page.text


async def test_a_decision_without_a_choice_decides_nothing(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    shown = await give_code(son, code)
    await son.submit(shown.form("/besluit"), {"besluit": "misschien"}, expect=400)
    await accept_with(son, code)


async def test_a_decision_posted_from_another_site_is_refused(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    form = (await give_code(son, code)).form("/besluit")
    cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in son.cookies[ISSUER].items())}
    for headers in ({"Origin": "https://boef.example"}, {"Sec-Fetch-Site": "cross-site", "Origin": ISSUER}, {}):
        data = form.values | {"besluit": "aannemen"}
        asked = {**cookie, **headers, "Accept": "text/html"}
        answer = await portal.http.post(ISSUER + form.action, data=data, headers=asked)
        assert answer.status_code == 403
    await accept_with(son, code)
