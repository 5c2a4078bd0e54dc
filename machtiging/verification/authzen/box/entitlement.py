"""The entitlement of an agency for a question about the box: its own diensten only."""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.entitlements.rules import EntitlementRequest, VerificationQuestion
from machtiging.access.policy_decision import PolicyAllowed
from machtiging.agencies.queries import AgencyView, DienstView
from machtiging.verification.authzen.box.facts import BoxFacts
from machtiging.verification.authzen.box.questions import BoxQuestion, BoxResource


@dataclass(frozen=True, slots=True)
class BoxEntitlement:
    """The rows for one agency, with its diensten in the catalogue."""

    entitlements: Entitlements
    agency: AgencyView

    def is_entitled(self, kind: VerificationQuestion, question: BoxQuestion, dienst: DienstView) -> bool:
        """Return True if the agency may ask this, by every identifier in the question."""
        return all(
            isinstance(
                self.entitlements.decide(
                    EntitlementRequest(
                        self.agency.oin, kind, dienst.code, question.purpose, identifier, own_dienst=True
                    )
                ),
                PolicyAllowed,
            )
            for identifier in question.identifiers
        )

    def find_diensten(self, question: BoxQuestion, facts: BoxFacts) -> list[DienstView]:
        """Return the own diensten that a question is about. Empty if it is about no dienst of this agency."""
        if question.resource is BoxResource.BERICHTENBOX or question.is_open:
            return list(self.agency.diensten)
        if question.resource is BoxResource.DIENST:
            return [one for one in self.agency.diensten if question.resource_id in (one.code, one.scope_key)]
        letter = facts.find_letter(question)
        envelope = None if letter is None else letter.envelope
        if envelope is None or envelope.afzender != self.agency.oin:
            return []
        return [one for one in self.agency.diensten if one.code == envelope.dienst]

    def select_entitled(self, question: BoxQuestion, facts: BoxFacts, *kinds: VerificationQuestion) -> list[DienstView]:
        """Return those of `find_diensten` about which the agency may ask all these questions."""
        found = self.find_diensten(question, facts)
        return [one for one in found if all(self.is_entitled(kind, question, one) for kind in kinds)]
