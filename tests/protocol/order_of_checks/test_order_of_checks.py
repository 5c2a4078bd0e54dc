"""The order of checks of OAuth endpoints: docs/order-of-checks.md, executed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

import httpx
import pytest
import structlog

from machtiging.audit.acts import JournalAct, JournalOutcome
from tests.architecture.sources import ROOT
from tests.builders.messages import read_query
from tests.protocol.order_of_checks.authorization_requests import REQUEST_COLUMNS
from tests.protocol.order_of_checks.checked_request import CheckedRequest, Column
from tests.protocol.order_of_checks.decision_requests import DECISION_COLUMNS
from tests.protocol.order_of_checks.grant_requests import GRANT_COLUMNS
from tests.protocol.order_of_checks.token_requests import TOKEN_COLUMNS

TABLE_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def read_table() -> dict[str, dict[str, str]]:
    """The reason codes by column and check, in order."""
    rows = [row.split(" | ") for row in TABLE_ROW.findall((ROOT / "docs/order-of-checks.md").read_text())]
    columns = rows[0][1:]
    return {
        column: {row[0]: row[index] for row in rows[1:] if row[index] != "-"} for index, column in enumerate(columns, 1)
    }


TABLE = read_table()
COLUMNS: Mapping[str, Column] = {**TOKEN_COLUMNS, **REQUEST_COLUMNS, **GRANT_COLUMNS, **DECISION_COLUMNS}
REFUSALS = (
    JournalAct.TOKEN_GEWEIGERD,
    JournalAct.GRANT_GEWEIGERD,
    JournalAct.VERZOEK_GEWEIGERD,
    JournalAct.VERZOEK_GEDAAN,
)


def is_granted(response: httpx.Response) -> bool:
    """True for a success, and for a redirect with a code."""
    return response.is_success or "code" in read_query(response.headers.get("location", ""))


async def read_refusals(request: CheckedRequest) -> Counter[str]:
    """The reasons of all refusals in the journal."""
    lines = [line for act in REFUSALS for line in await request.oauth.lines(act)]
    return Counter(line.reason for line in lines if line.outcome == JournalOutcome.REFUSED)


async def read_reason(request: CheckedRequest, statuses: Collection[int]) -> str:
    """Send the request and return its reason code: of the journal, the log or the answer."""
    before = await read_refusals(request)
    with structlog.testing.capture_logs() as logs:
        response = await request.send()
    assert response.status_code in statuses, response.text
    journalled = (await read_refusals(request) - before).elements()
    logged = [line["code"] for line in logs if line["event"] == "oauth_refused"]
    (reason,) = [*journalled, *logged] or [response.json()["code"]]
    return reason


@pytest.mark.parametrize("column", COLUMNS)
async def test_request_of_every_column_without_violation_succeeds(oauth, column) -> None:
    assert is_granted(await (await COLUMNS[column].make_request(oauth)).send())


@pytest.mark.parametrize(("column", "check"), [(column, check) for column in TABLE for check in TABLE[column]])
async def test_check_fails_before_all_later_checks_of_its_column(oauth, column, check) -> None:
    request = await COLUMNS[column].make_request(oauth)
    checks = list(TABLE[column])
    for later in reversed(checks[checks.index(check) :]):
        await COLUMNS[column].violations[later](request)
    statuses = (200,) if check in COLUMNS[column].hidden else COLUMNS[column].refused_with
    assert await read_reason(request, statuses) == TABLE[column][check]


def test_every_column_and_violation_stands_in_the_table() -> None:
    assert TABLE.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        assert TABLE[name].keys() == column.violations.keys()
