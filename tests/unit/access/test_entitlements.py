"""The rows of entitlements: strict reading, and decisions that fail closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.entitlements.policy_rows import ENTITLEMENT_COLUMNS, MODEL_LINES, read_entitlement_rows
from machtiging.access.entitlements.rules import EntitlementRequest, IdentifierKind, Purpose, VerificationQuestion
from machtiging.access.policy_decision import PolicyAllowed, PolicyDenied
from machtiging.kernel.errors import Fault
from tests.builders.applications import POLICIES

AGENCY, OTHER = "00000099000000003000", "00000099000000001000"
HEADER = ",".join(ENTITLEMENT_COLUMNS)
ROW = f"rij,allow,{AGENCY},verifieren,aangifte,balie,bsn,Omdat het mag."


def write_policy(folder, *lines, model=MODEL_LINES, header=HEADER):
    place = folder / "bevoegdheden"
    place.mkdir()
    (place / "model.conf").write_text("\n".join(model))
    (place / "afnemers.csv").write_text("\n".join([header, *lines]))
    return folder


def make_request(**changes):
    values = {
        "afnemer": AGENCY,
        "question": VerificationQuestion.VERIFY,
        "dienst": "aangifte",
        "purpose": Purpose.COUNTER,
        "identifier": IdentifierKind.BSN,
        "own_dienst": True,
    }
    return EntitlementRequest(**values | changes)


def test_row_allows_exactly_what_it_says(tmp_path):
    entitlements = Entitlements.load(write_policy(tmp_path, ROW))
    assert entitlements.decide(make_request()) == PolicyAllowed("rij")
    for change in (
        {"afnemer": OTHER},
        {"afnemer": AGENCY[:-1]},
        {"question": VerificationQuestion.SEARCH},
        {"dienst": "aangift"},
        {"dienst": "aangifte aow"},
        {"purpose": Purpose.TELEPHONE},
        {"identifier": IdentifierKind.PSEUDONYM},
        {"own_dienst": False},
    ):
        assert isinstance(entitlements.decide(make_request(**change)), PolicyDenied), change


def test_denying_row_wins_in_any_order(tmp_path):
    deny = "aan-balie-nooit,deny,*,*,*,balie,*,Niet aan de balie."
    for number, rows in enumerate(([ROW, deny], [deny, ROW])):
        folder = tmp_path / str(number)
        folder.mkdir()
        decision = Entitlements.load(write_policy(folder, *rows)).decide(make_request())
        assert (type(decision), decision.policy_row_id) == (PolicyDenied, "aan-balie-nooit")


def test_installation_without_rows_allows_nothing(tmp_path):
    for entitlements in (Entitlements(()), Entitlements.load(tmp_path)):
        assert isinstance(entitlements.decide(make_request()), PolicyDenied)


WRONG_ROWS = [
    ROW.replace("allow", "mag"),
    ROW.replace("rij,", "Rij,"),
    ROW.replace(AGENCY, "123"),
    ROW.replace(AGENCY, f"{AGENCY} {AGENCY}"),
    ROW.replace("verifieren", "alles"),
    ROW.replace("verifieren", "verifieren verifieren"),
    ROW.replace("aangifte", "Aan gifte"),
    ROW.replace("aangifte", ""),
    ROW.replace("balie", ""),
    ROW.replace("bsn", "naam"),
    ROW.replace("Omdat het mag.", " "),
    ROW.rpartition(",")[0],
]


@pytest.mark.parametrize("row", WRONG_ROWS)
def test_row_that_cannot_be_read_stops_the_start_with_file_and_line(tmp_path, row):
    with pytest.raises(Fault) as fault:
        read_entitlement_rows(write_policy(tmp_path, row))
    assert fault.value.code == "beleid_onleesbaar"
    assert "afnemers.csv:2" in fault.value.private


def test_id_that_stands_twice_stops_the_start(tmp_path):
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_entitlement_rows(write_policy(tmp_path, ROW, ROW))


@pytest.mark.parametrize(
    "model",
    [
        MODEL_LINES[:-1],
        [*MODEL_LINES[:-1], MODEL_LINES[-1].replace("r.own_dienst && ", "")],
        [line.replace(" && !some(where (p.eft == deny))", "") for line in MODEL_LINES],
        [*MODEL_LINES, "[role_definition]", "g = _, _"],
    ],
)
def test_changed_model_stops_the_start(tmp_path, model):
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_entitlement_rows(write_policy(tmp_path, ROW, model=model))


def test_missing_model_or_header_stops_the_start(tmp_path):
    folder = write_policy(tmp_path, ROW, header="id,afnemer")
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_entitlement_rows(folder)
    (folder / "bevoegdheden" / "model.conf").unlink()
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_entitlement_rows(folder)


def test_digest_changes_with_a_row_and_not_with_the_order(tmp_path):
    other = ROW.replace("rij", "tweede")
    digests = []
    for number, rows in enumerate(([ROW, other], [other, ROW], [ROW])):
        folder = tmp_path / str(number)
        folder.mkdir()
        digests.append(Entitlements.load(write_policy(folder, *rows)).digest)
    assert digests[0] == digests[1] != digests[2]


_REAL = Entitlements.load(POLICIES)


@given(
    afnemer=st.sampled_from([AGENCY, OTHER, "00000099000000002000", "00000099000000099000"]),
    question=st.sampled_from(VerificationQuestion),
    dienst=st.sampled_from(["aow", "ww-uitkering", "inkomstenbelasting"]),
    purpose=st.sampled_from(Purpose),
    identifier=st.sampled_from(IdentifierKind),
)
def test_no_row_allows_a_dienst_of_another_agency(afnemer, question, dienst, purpose, identifier):
    request = EntitlementRequest(afnemer, question, dienst, purpose, identifier, own_dienst=False)
    assert isinstance(_REAL.decide(request), PolicyDenied)
