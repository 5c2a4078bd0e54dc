"""The answer to an agency that asks with a code: may the helper act in this dienst, and for whom.

It tells what the holder of a paper would show, and nothing else. Of a "no" it tells no reason. Names are shortened: the
employee compares them with a document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.policy_decision import PolicyAllowed
from machtiging.access.policy_request import PolicyRequest
from machtiging.access.verdict import DecideFunction
from machtiging.agencies.queries import AgencyView, DienstView
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import GRANTABLE_ACTS, Act
from machtiging.identity.people import load_profiles
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.organisations.queries import load_organisation_names
from machtiging.verification.codes.consumption import consume_code, save_answer
from machtiging.verification.codes.creation import is_covered
from machtiging.verification.codes.rules import CodeAsker, VerificationCode

_NO_REASON = "geen_geldige_machtiging"


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """What the employee of an agency is told. Of a "no" only `is_yes` and `dienst`.

    `helper` is None if the organisation has not chosen a person.
    """

    is_yes: bool
    dienst: str
    helper: str | None = None
    client: str | None = None
    organisation: str | None = None
    capacity: str | None = None
    acts: tuple[str, ...] = ()
    ends_at: str | None = None

    @property
    def until(self) -> datetime | None:
        """The end of the machtiging; None of a "no"."""
        return None if self.ends_at is None else datetime.fromisoformat(self.ends_at)

    def to_json(self) -> bytes:
        """Return the answer as JSON."""
        return json.dumps(asdict(self)).encode()


def parse_answer(document: bytes) -> CodeAnswer:
    """Parse the JSON of an answer."""
    values = json.loads(document)
    return CodeAnswer(**{**values, "acts": tuple(values["acts"])})


def shorten_name(name: str) -> str:
    """Shorten a name to the initial of its first word and the rest: "Noor de Vries" is "N. de Vries"."""
    first, _, rest = " ".join(name.split()).partition(" ")
    return f"{first[:1]}. {rest}" if rest else first


def find_stop(authority: Authority, at: datetime) -> str | None:
    """Return the reason code why nobody can act with this machtiging now; else None.

    The root of an organisation is in force without a person: it decides who acts.
    """
    if len(authority.links) == 1 and authority.organisation is not None:
        return authority.team_stop_code(at)
    return next(authority.stop_codes(at), None)


def list_allowed_acts(decide: DecideFunction, authority: Authority, dienst: DienstView, at: datetime) -> list[Act]:
    """List the acts that the policy allows now in this dienst, at the highest login level that counts."""
    if find_stop(authority, at) is not None:
        return []
    level, is_in_scope = authority.assurance(Assurance.HIGH), is_covered(authority.scope, dienst, at)
    asked_acts = [act for act in Act if act in GRANTABLE_ACTS]
    return [
        act
        for act in asked_acts
        if isinstance(
            decide(
                PolicyRequest(
                    capacity=authority.capacity,
                    act=act,
                    theme=dienst.theme,
                    sensitivity=dienst.sensitivity,
                    level=level,
                    in_force=True,
                    covered=is_in_scope,
                    act_given=act in authority.acts,
                    chain_complete=True,
                )
            ),
            PolicyAllowed,
        )
    ]


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """What an agency asks with a code: who asks, of which dienst, for which purpose."""

    asker: CodeAsker
    agency: AgencyView
    dienst: DienstView
    purpose: str


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """The policy that decides, and its digest for the journal."""

    decide: DecideFunction
    digest: str


async def answer_code(
    session: AsyncSession, keyring: KeyRing, policy: PolicyUse, question: CodeQuestion, typed_code: str, *, at: datetime
) -> UUID:
    """Use the code up, answer, journal the answer and save it. Returns the id of the code.

    Raises as `consume_code`.
    """
    used = await consume_code(
        session, keyring, question.asker, question.purpose, question.dienst.code, typed_code, at=at
    )
    authority = await load_authority(session, used.machtiging_id, at=at)
    acts = [] if authority is None else list_allowed_acts(policy.decide, authority, question.dienst, at)
    answer = CodeAnswer(is_yes=False, dienst=question.dienst.name)
    if authority is not None and acts:
        answer = await _describe_yes(session, keyring, authority, acts, question.dienst)
    answer_id = await _journal_answer(session, policy, question, used, authority, is_yes=answer.is_yes, at=at)
    await save_answer(
        session,
        keyring,
        used,
        answer_id,
        is_yes=answer.is_yes,
        agency_name=question.agency.name,
        document=answer.to_json(),
        at=at,
    )
    return used.id


async def _describe_yes(
    session: AsyncSession, keyring: KeyRing, authority: Authority, acts: list[Act], dienst: DienstView
) -> CodeAnswer:
    represented_id, holder_id = authority.vertegenwoordigde_id, authority.holder_id
    people = {one for one in (represented_id, holder_id) if one is not None}
    profiles = await load_profiles(session, keyring, people)
    names: Mapping[Any, str] = {one: shorten_name(profile.name) for one, profile in profiles.items()}
    if represented_id not in names:  # a business
        names = {**names, **await load_organisation_names(session, [represented_id])}
    return CodeAnswer(
        is_yes=True,
        dienst=dienst.name,
        helper=None if holder_id is None else names.get(PersonId(holder_id)),
        client=names.get(represented_id),
        organisation=authority.organisation_name,
        capacity=authority.capacity.value,
        acts=tuple(act.value for act in acts),
        ends_at=authority.ends_at.isoformat(),
    )


async def _journal_answer(
    session: AsyncSession,
    policy: PolicyUse,
    question: CodeQuestion,
    used: VerificationCode,
    authority: Authority | None,
    *,
    is_yes: bool,
    at: datetime,
) -> UUID:
    asker, line_id = question.asker, uuid7()
    reason = _NO_REASON if authority is None else find_stop(authority, at) or _NO_REASON
    line = NewJournalLine(
        act=JournalAct.CONTROLECODE_BEANTWOORD,
        outcome=JournalOutcome.ALLOWED if is_yes else JournalOutcome.REFUSED,
        reason="toegestaan" if is_yes else reason,
        actor_id=asker.person_id,
        client_id=asker.client_id,
        for_person_id=used.vertegenwoordigde_id,
        machtiging_id=used.machtiging_id,
        object_kind="controlecode",
        object_id=str(used.id),
        policy_digest=policy.digest,
        facts={"afnemer": asker.oin, "dienst": question.dienst.code, "doel": question.purpose},
        on_behalf_of=asker.organisation_id,
    )
    return await record(session, line, at=at, line_id=line_id)
