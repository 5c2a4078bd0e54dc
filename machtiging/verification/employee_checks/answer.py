"""The answer to an agency that asks with a code.

It tells what the holder of a paper would show, and nothing else. Of a "no" it tells no reason. Names are shortened: the
employee compares them with a document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.entitlements.rules import EntitlementRequest, IdentifierKind, Purpose, VerificationQuestion
from machtiging.access.policy_decision import PolicyDenied
from machtiging.agencies.queries import AgencyView, DienstView
from machtiging.audit.journal import record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.identity.people import load_profiles
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Message, NotAllowed
from machtiging.kernel.ids import uuid7
from machtiging.organisations.queries import load_organisation_names
from machtiging.verification.codes.consumption import consume_code, save_answer
from machtiging.verification.codes.rules import CodeAsker, VerificationCode
from machtiging.verification.dienst_evaluation import evaluate_dienst
from machtiging.verification.journal_lines import AskingAgency, describe_answer, describe_refused_question
from machtiging.verification.rules import Verification, VerificationAnswer
from machtiging.verification.verify import VerificationContext


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The answer that an employee reads. Of a "no" only `is_yes` and `dienst`.

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
    """Shorten the first word of a name to its initial: "N. de Vries"."""
    first, _, rest = " ".join(name.split()).partition(" ")
    return f"{first[:1]}. {rest}" if rest else first


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """The question of an agency with a code: asker, dienst and purpose."""

    asker: CodeAsker
    agency: AgencyView
    dienst: DienstView
    purpose: str


async def answer_code(
    session: AsyncSession, context: VerificationContext, question: CodeQuestion, typed_code: str, *, at: datetime
) -> UUID:
    """Use the code up, answer, journal the answer and save it. Returns the id of the code.

    Raises as `consume_code`, and NotAllowed `niet_bevoegd` for an agency that may not ask with a code.
    """
    await _require_entitlement(session, context, question, at)
    dienst, keyring = question.dienst, context.keyring
    used = await consume_code(session, keyring, question.asker, question.purpose, dienst.code, typed_code, at=at)
    authority = await load_authority(session, used.machtiging_id, at=at)
    levels = {} if authority is None else evaluate_dienst(context.decide, authority, dienst, at).levels
    answer = CodeAnswer(is_yes=False, dienst=dienst.name)
    if authority is not None and levels:
        answer = await _describe_yes(session, keyring, authority, list(levels), dienst)
    answer_id = await _journal_answer(session, context, question, used, authority, levels, at)
    name, document = question.agency.name, answer.to_json()
    await save_answer(
        session, keyring, used, answer_id, is_yes=answer.is_yes, agency_name=name, document=document, at=at
    )
    return used.id


async def _require_entitlement(
    session: AsyncSession, context: VerificationContext, question: CodeQuestion, at: datetime
) -> None:
    purpose, kind = Purpose(question.purpose), IdentifierKind.CODE
    dienst = question.dienst.code
    request = EntitlementRequest(
        question.agency.oin, VerificationQuestion.VERIFY, dienst, purpose, kind, own_dienst=True
    )
    decision = context.entitlements.decide(request)
    if isinstance(decision, PolicyDenied):
        refusal = NotAllowed(
            "niet_bevoegd", params={"identifier": Message(f"identifier.{kind}")}, private=decision.reason
        )
        await record(session, describe_refused_question(_describe_asker(question.asker), refusal), at=at)
        raise refusal


def _describe_asker(asker: CodeAsker) -> AskingAgency:
    return AskingAgency(asker.oin, asker.client_id, asker.person_id, asker.organisation_id)


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
        helper=None if holder_id is None else names.get(holder_id),
        client=names.get(represented_id),
        organisation=authority.organisation_name,
        capacity=authority.capacity.value,
        acts=tuple(act.value for act in acts),
        ends_at=authority.ends_at.isoformat(),
    )


async def _journal_answer(
    session: AsyncSession,
    context: VerificationContext,
    question: CodeQuestion,
    used: VerificationCode,
    authority: Authority | None,
    levels: Mapping[Act, Assurance],
    at: datetime,
) -> UUID:
    """Journal the answer as every other verification. Returns the id of the line, which is that of the answer."""
    purpose, line_id = Purpose(question.purpose), uuid7()
    answer = VerificationAnswer(
        id=line_id,
        question=Verification(question.dienst.code, purpose, salt="", digest="", machtiging_id=used.machtiging_id),
        answered_at=at,
        represented_id=used.vertegenwoordigde_id,
        holder_id=authority.holder_id if authority is not None and levels else None,
        authority=authority if levels else None,
        levels=levels,
        policy_digest=context.policy_digest,
    )
    line = describe_answer(_describe_asker(question.asker), answer)
    facts = {**line.facts, "kenmerken": IdentifierKind.CODE.value, "controlecode": str(used.id)}
    return await record(session, replace(line, machtiging_id=used.machtiging_id, facts=facts), at=at, line_id=line_id)
