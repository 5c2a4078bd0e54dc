"""List the machtigingen that a token can be used for, with keyset pagination."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, require_token_act
from machtiging.access.verdict import evaluate_standing
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authority_page
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.identity.people import load_profiles
from machtiging.kernel.ids import MachtigingId


@dataclass(frozen=True, slots=True)
class TokenMachtiging:
    """A machtiging of a token. One that stands has an `authority`, one that does not has a `reason`.

    `acts`: those that both the consent and the machtiging give. `giver_name` is None if no login gave it.
    """

    machtiging_id: MachtigingId
    authority: Authority | None
    reason: str | None
    acts: frozenset[Act]
    giver_name: str | None


async def list_token_machtigingen(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    at: datetime,
) -> list[TokenMachtiging]:
    """List the machtigingen of this token, in the order of their ids (keyset). Empty for the own box.

    No box is opened, so only a refusal is journalled. Nothing but the reason is told of a machtiging that does not
    hold: its rows may be forged, or its holder may have left. Raises as `access.guard.require_token_act`.
    """
    await require_token_act(session, policy, actor, Act.LIST, at=at)
    page = await _load_page(session, actor, after, limit, at)
    reasons = {one.machtiging_id: _find_stop_reason(actor, one, at) for one in page}
    givers = [one.vertegenwoordigde_id for one in page if reasons[one.machtiging_id] is None]
    profiles = await load_profiles(session, keyring, givers)
    names = {person_id: profile.name or None for person_id, profile in profiles.items()}
    return [
        TokenMachtiging(
            machtiging_id=one.machtiging_id,
            authority=one if reasons[one.machtiging_id] is None else None,
            reason=reasons[one.machtiging_id],
            acts=actor.acts & one.acts,
            giver_name=names.get(one.vertegenwoordigde_id),
        )
        for one in page
    ]


async def _load_page(
    session: AsyncSession, actor: Actor, after: UUID | None, limit: int, at: datetime
) -> list[Authority]:
    """Load one page: of a token for several, or the one of the token."""
    if actor.machtigingen is not None:
        return await load_authority_page(
            session, actor.machtigingen, actor.person_id, actor.organisation_kvk, after=after, limit=limit, at=at
        )
    return [one for one in (actor.authority,) if one is not None and (after is None or one.machtiging_id > after)]


def _find_stop_reason(actor: Actor, authority: Authority, at: datetime) -> str | None:
    verdict = evaluate_standing(replace(actor, authority=authority), at)
    return None if verdict is None else verdict.reason
