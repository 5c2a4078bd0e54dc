"""State facts about machtigingen, with the words of the citizen encrypted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.state_facts import PersonalWords, state_facts
from machtiging.identity.data_keys import session_keyring
from machtiging.identity.people import load_data_key, load_data_keys
from machtiging.kernel.errors import Fault, NotFound
from machtiging.kernel.ids import PersonId
from machtiging.storage.row_mac import SealedTable, verify_row


async def describe_states(
    session: AsyncSession, vertegenwoordigde_id: UUID, rows: Iterable[tuple[SealedTable, Any]]
) -> dict[str, Any]:
    """Return the facts with the whole new state of these rows."""
    data_key = await load_data_key(session, session_keyring(session), PersonId(vertegenwoordigde_id))
    return dict(state_facts(rows, PersonalWords(vertegenwoordigde_id, data_key)))


async def describe_each_state(
    session: AsyncSession, sealed: SealedTable, rows: Sequence[tuple[UUID, Any]]
) -> list[dict[str, Any]]:
    """Return the facts of each row, as `describe_authentic_states`, in one statement.

    `rows`: the vertegenwoordigde and the new row. Raises Fault `sleutel_ontbreekt`.
    """
    return await describe_states_of_each(session, [(person_id, [(sealed, row)]) for person_id, row in rows])


async def describe_states_of_each(
    session: AsyncSession, changes: Sequence[tuple[UUID, Sequence[tuple[SealedTable, Any]]]]
) -> list[dict[str, Any]]:
    """Return the facts of each change, as `describe_authentic_states`, in one statement.

    `changes`: the vertegenwoordigde and the new rows. Raises Fault `sleutel_ontbreekt`.
    """
    authentic = [all(verify_row(session, sealed, row) for sealed, row in rows) for _, rows in changes]
    owners = {PersonId(person_id) for (person_id, _), is_own in zip(changes, authentic, strict=True) if is_own}
    try:
        keys = await load_data_keys(session, session_keyring(session), owners) if owners else {}
    except NotFound as error:  # a refusal would commit what was done before it
        raise Fault("sleutel_ontbreekt", private="a party of an authentic row has no data key") from error
    return [
        dict(state_facts(rows, PersonalWords(person_id, keys[PersonId(person_id)]))) if is_own else {}
        for (person_id, rows), is_own in zip(changes, authentic, strict=True)
    ]


async def describe_authentic_states(
    session: AsyncSession, vertegenwoordigde_id: UUID, rows: Sequence[tuple[SealedTable, Any]]
) -> dict[str, Any]:
    """Return the facts as `describe_states`; none if a row is forged.

    A forged row has no state: its line says what was done, and the row stays invalid.
    """
    if not all(verify_row(session, sealed, row) for sealed, row in rows):
        return {}
    return await describe_states(session, vertegenwoordigde_id, rows)
