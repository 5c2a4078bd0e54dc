"""POST /api/v1/registergebeurtenissen: who may report, and a result for each event."""

import pytest

from machtiging.kernel.errors import Fault
from machtiging.registers.intake import read_register_kinds
from tests.builders.organisations import KVK, OTHER_KVK
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, REGISTER_EVENTS, STATUTORY_RELATIONS
from tests.protocol.registers.conftest import MOTHER_BSN, SON_BSN, STRANGER_BSN, make_item


async def test_begin_is_applied_and_repeated_gives_the_same_result(register):
    assert await register.results(make_item()) == [("verwerkt", None)]
    assert await register.results(make_item()) == [("verwerkt", None)]
    assert await MACHTIGINGEN.count(register) == 1


async def test_each_event_has_its_own_result_and_a_refusal_holds_up_no_other(register):
    items = [
        make_item(gebeurtenisId="a", soort="voogdij"),
        make_item(gebeurtenisId="b"),
        make_item(gebeurtenisId="c", gebeurtenis="verhuizing"),
        make_item(gebeurtenisId="d", relatieId="r2", soort="mentorschap", volgnummer=2),
    ]
    answer = await register.post(*items)
    results = answer.json()["resultaten"]
    assert [one["gebeurtenisId"] for one in results] == ["a", "b", "c", "d"]
    assert [one["resultaat"] for one in results] == ["geweigerd", "verwerkt", "geweigerd", "wacht"]
    assert [one.get("code") for one in results] == ["soort_onbekend", None, "gebeurtenis_onbekend", None]
    assert results[0]["melding"] == "Deze soort vertegenwoordiging kennen wij niet."


DIRECTOR = {"soort": "bestuurder", "vertegenwoordigde": {"kvkNummer": KVK}}
REFUSED = [
    ({"vertegenwoordigde": {"bsn": STRANGER_BSN}}, "persoon_onbekend"),
    ({"vertegenwoordigde": {"bsn": "123456789"}}, "bsn_ongeldig"),
    ({"vertegenwoordigde": {"kvkNummer": KVK}}, "vertegenwoordigde_ongeldig"),
    ({"vertegenwoordigde": {}}, "vertegenwoordigde_ongeldig"),
    ({"soort": "bestuurder"}, "vertegenwoordigde_ongeldig"),
    ({"soort": "bestuurder", "vertegenwoordigde": {}}, "vertegenwoordigde_ongeldig"),
    ({"soort": "bestuurder", "vertegenwoordigde": {"bsn": MOTHER_BSN, "kvkNummer": KVK}}, "vertegenwoordigde_ongeldig"),
    ({"soort": "bestuurder", "vertegenwoordigde": {"kvkNummer": "90000099"}}, "bedrijf_onbekend"),
    ({"soort": "bestuurder", "vertegenwoordigde": {"kvkNummer": "9000000"}}, "kvk_ongeldig"),
    ({"soort": "bestuurder", "vertegenwoordigde": {"kvkNummer": "900000011"}}, "gebeurtenis_ongeldig"),
    ({**DIRECTOR, "vertegenwoordiger": {"kvkNummer": OTHER_KVK}}, "vertegenwoordiger_onbekend"),
    ({**DIRECTOR, "vertegenwoordiger": {"kvkNummer": KVK}}, "eigen_vertegenwoordiger"),
    ({**DIRECTOR, "einddatum": "2026-11-01"}, "einde_voor_begin"),
    ({**DIRECTOR, "gebeurtenis": "einde", "vertegenwoordiger": ...}, "relatie_onbekend"),
    ({"vertegenwoordiger": {"kvkNummer": "90000099"}}, "vertegenwoordiger_onbekend"),
    ({"vertegenwoordiger": {}}, "vertegenwoordiger_ontbreekt"),
    ({"vertegenwoordiger": {"bsn": SON_BSN, "kvkNummer": KVK}}, "vertegenwoordiger_ontbreekt"),
    ({"vertegenwoordiger": ...}, "vertegenwoordiger_ontbreekt"),
    ({"vertegenwoordiger": {"bsn": MOTHER_BSN}}, "eigen_vertegenwoordiger"),
    ({"einddatum": "2026-11-01"}, "einde_voor_begin"),
    ({"ingangsdatum": "0001-01-01"}, "datum_onmogelijk"),
    ({"ingangsdatum": "9999-12-31"}, "datum_onmogelijk"),
    ({"ingangsdatum": "22-11-2026"}, "gebeurtenis_ongeldig"),
    ({"themas": []}, "gebeurtenis_ongeldig"),
    ({"themas": ["geluk"]}, "gebeurtenis_ongeldig"),
    ({"volgnummer": 0}, "gebeurtenis_ongeldig"),
    ({"volgnummer": 2**63}, "gebeurtenis_ongeldig"),
    ({"kenmerk": ""}, "gebeurtenis_ongeldig"),
    ({"kenmerk": "a\u0000b"}, "gebeurtenis_ongeldig"),
    ({"extra": 1}, "gebeurtenis_ongeldig"),
    ({"gebeurtenisId": ...}, "gebeurtenis_ongeldig"),
    ({"gebeurtenis": "einde", "vertegenwoordiger": ...}, "relatie_onbekend"),
    ({"soort": "ouderlijk_gezag"}, "geboortedatum_ontbreekt"),
    ({"soort": "ouderlijk_gezag", "geboortedatum": "2015-13-01"}, "geboortedatum_ongeldig"),
    ({"soort": "ouderlijk_gezag", "geboortedatum": "0000-05-01"}, "geboortejaar_onbekend"),
    ({"soort": "ouderlijk_gezag", "geboortedatum": "1500-05-01"}, "datum_onmogelijk"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
async def test_impossible_event_is_refused_with_its_code_and_stores_nothing(register, changes, code):
    assert await register.results(make_item(**changes)) == [("geweigerd", code)]
    assert await REGISTER_EVENTS.count(register) == await STATUTORY_RELATIONS.count(register) == 0
    line = (await JOURNAL_INTAKE.read(register, act="registergebeurtenis:geweigerd"))[-1]
    assert (line.reason, line.client_id) == (code, "register")


OTHER_REGISTER = "00000099000000003000"


async def test_register_that_is_not_named_for_directors_makes_no_director(register):
    token = await register.issue_token(oin=OTHER_REGISTER)
    answer = await register.post(make_item(**DIRECTOR), token=token)
    [result] = answer.json()["resultaten"]
    assert (result["resultaat"], result["code"]) == ("geweigerd", "soort_niet_van_register")
    assert await REGISTER_EVENTS.count(register) == await MACHTIGINGEN.count(register) == 0
    line = (await JOURNAL_INTAKE.read(register, act="registergebeurtenis:geweigerd"))[-1]
    assert line.reason == "soort_niet_van_register"
    answer = await register.post(make_item(), token=token)
    assert answer.json()["resultaten"][0]["resultaat"] == "verwerkt"


@pytest.mark.parametrize("configured", [{"123": ["bewind"]}, {OTHER_REGISTER: ["alles"]}])
def test_wrong_kinds_of_a_register_stop_the_start(configured):
    with pytest.raises(Fault, match="registersoorten_ongeldig"):
        read_register_kinds(configured)


async def test_changed_body_under_the_same_id_is_refused(register):
    await register.results(make_item())
    changed = make_item(vertegenwoordiger={"kvkNummer": KVK})
    assert await register.results(changed) == [("geweigerd", "gebeurtenis_anders")]


async def test_office_is_found_by_its_number(register):
    assert await register.results(make_item(vertegenwoordiger={"kvkNummer": KVK})) == [("verwerkt", None)]


async def test_director_of_business_is_registered_once_and_ended_by_the_register(register):
    assert await register.results(make_item(**DIRECTOR)) == [("verwerkt", None)]
    assert await register.results(make_item(**DIRECTOR)) == [("verwerkt", None)]
    machtiging = await MACHTIGINGEN.read_one(register)
    assert (machtiging.capacity, machtiging.gemachtigde_id) == ("bestuurder", register.people.son)
    end = {"gebeurtenisId": "g2", "gebeurtenis": "einde", "vertegenwoordiger": ..., "ingangsdatum": "2026-11-23"}
    assert await register.results(make_item(**DIRECTOR, **end)) == [("verwerkt", None)]
    assert (await MACHTIGINGEN.read_one(register)).state == "ended"


async def test_representative_without_an_earlier_login_is_accepted(register):
    assert await register.results(make_item(vertegenwoordiger={"bsn": STRANGER_BSN})) == [("verwerkt", None)]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"gebeurtenissen":[]}', '{"gebeurtenissen":[1]}', "null", "{"])
async def test_body_that_is_no_list_of_events_is_refused_as_a_whole(register, body):
    assert (await register.post(body=body)).status_code == 400


async def test_more_events_than_allowed_are_refused_as_a_whole(register):
    answer = await register.post(*(make_item(gebeurtenisId=f"g{number}") for number in range(251)))
    assert answer.status_code == 400
    assert await REGISTER_EVENTS.count(register) == 0


async def test_token_without_the_scope_is_refused(register):
    token = await register.issue_token(scope="aanleveringen:schrijven")
    answer = await register.post(make_item(), token=token)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_voor_ander_gebruik")


async def test_token_of_a_person_is_refused(register):
    token = await register.issue_token(oin=None, person_id=register.people.mother)
    assert (await register.post(make_item(), token=token)).status_code == 403


async def test_token_that_is_bound_to_nothing_is_refused(register):
    token = await register.issue_token(x5t=None)
    answer = await register.post(make_item(), token=token)
    assert (answer.status_code, answer.json()["code"]) == (403, "certificaat_vereist")
    assert await REGISTER_EVENTS.count(register) == 0


async def test_bound_token_without_its_certificate_is_refused(register):
    answer = await register.post(make_item(), certificate=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "certificaat_ontbreekt")


async def test_bsn_stands_in_no_answer_and_in_no_journal_line(register):
    items = (make_item(), make_item(gebeurtenisId="b", vertegenwoordigde={"bsn": STRANGER_BSN}), make_item(extra=1))
    answer = await register.post(*items)
    lines = [str(line) for line in await JOURNAL_INTAKE.read(register)]
    events = [str(row) for row in await REGISTER_EVENTS.read(register)]
    for number in (MOTHER_BSN, SON_BSN, STRANGER_BSN):
        assert not any(number in text for text in (answer.text, *lines, *events))


async def test_end_event_ends_the_machtiging_in_the_same_transaction(register):
    await register.results(make_item())
    end = make_item(gebeurtenisId="g2", gebeurtenis="einde", vertegenwoordiger=..., ingangsdatum="2026-11-23")
    assert await register.results(end) == [("verwerkt", None)]
    machtiging = await MACHTIGINGEN.read_one(register)
    relation = await STATUTORY_RELATIONS.read_one(register)
    assert (machtiging.state, machtiging.end_reason) == ("ended", "register")
    assert relation.ends_at is not None
    assert machtiging.id == relation.machtiging_id
