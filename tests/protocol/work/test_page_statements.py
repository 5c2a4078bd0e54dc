"""The pages of an employee take as many statements with 60 clients as with three.

Counted are all that the service says for a page: the session, the list itself and the journal line of an inbox. BEGIN
and COMMIT are not.
"""

from __future__ import annotations

from tests.builders.database import record_queries
from tests.protocol.letters.box import fill_box, statements_of

FEW, MANY = 3, 60
MOST_STATEMENTS = 4
# The order of the sealed case references takes a statement of its own, and so does a search. Others load saved filters.
PATHS = {
    "/werk": 4,
    "/werk?volgorde=einddatum&ongelezen=ja": 4,
    "/werk/clienten": 4,
    "/werk/clienten?volgorde=einddatum": 4,
    "/werk/clienten?volgorde=toegewezen": 4,
    "/werk/clienten?volgorde=zaakkenmerk": 4,
    "/werk/clienten?volgorde=naam": 4,
    "/werk/clienten?toon=bijna-voorbij": 4,
    "/werk/clienten?zoek=boer": 4,
    "/werk/clienten?zoek=Z7": 4,
}


async def count_statements(worker, database, path):
    """Count the statements of a page that was opened before."""
    assert (await worker.request(path)).status_code == 200
    with record_queries(database) as queries:
        await worker.request(path)
    return len(statements_of(queries))


async def add_client(office, person, number):
    """A client whose machtiging ends within thirty days."""
    return await office.assign(await office.grant(person, ends_at=office.days(10)), reference=f"Z{number}")


async def test_pages_take_as_many_statements_with_sixty_clients_as_with_three(office, database):
    person = await office.add_person("Anna de Boer")
    await fill_box(office.world, person, ["Brief"])
    leaves = [await add_client(office, person, number) for number in range(FEW)]
    worker = await office.log_in()
    paths = {**PATHS, f"/werk/clienten/{leaves[0]}": 4}
    few = {path: await count_statements(worker, database, path) for path in paths}
    for number in range(FEW, MANY):
        await add_client(office, person, number)
    assert f"({MANY})" in (await worker.request("/werk/clienten")).text
    many = {path: await count_statements(worker, database, path) for path in paths}
    assert few == many == paths
    assert max(many.values()) <= MOST_STATEMENTS
