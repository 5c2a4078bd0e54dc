"""One call about the box: its facts, the entitlement and its journal lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.entitlements.rules import VerificationQuestion
from machtiging.access.verdict import DecideFunction
from machtiging.agencies.queries import DienstView, find_active_agency
from machtiging.audit.journal import NewJournalLine, record_all
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import NotAllowed, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.verification.authzen.box.entitlement import BoxEntitlement
from machtiging.verification.authzen.box.facts import BoxFacts, LetterSource, load_box_facts, load_letters
from machtiging.verification.authzen.box.journal import ANY_DIENST, describe_box_answer
from machtiging.verification.authzen.box.questions import BoxQuestion
from machtiging.verification.authzen.box.verdicts import BoxEvaluator, BoxVerdict
from machtiging.verification.journal_lines import AskingAgency, describe_refused_question


@dataclass(frozen=True, slots=True)
class BoxServices:
    """The parts that the decision point needs beside the database."""

    keyring: KeyRing
    decide: DecideFunction
    policy_digest: str
    entitlements: Entitlements
    letters: LetterSource


class BoxCall:
    """The state of one call. The number of statements does not depend on the questions or on what is found."""

    def __init__(self, session: AsyncSession, services: BoxServices, agency: AskingAgency, at: datetime) -> None:
        self.session = session
        self.services = services
        self.agency = agency
        self.at = at
        self.facts = BoxFacts()
        self._entitlement: BoxEntitlement | None = None
        self._lines: list[tuple[NewJournalLine, UUID]] = []

    async def load_entitlement(self) -> BoxEntitlement:
        """Load the diensten of the agency, once. Raises NotAllowed `afnemer_niet_actief`."""
        if self._entitlement is None:
            catalogue = await find_active_agency(self.session, self.agency.oin)
            if catalogue is None:
                raise NotAllowed("afnemer_niet_actief")
            self._entitlement = BoxEntitlement(self.services.entitlements, catalogue)
        return self._entitlement

    async def load_facts(self, questions: Sequence[BoxQuestion], *kinds: VerificationQuestion) -> None:
        """Load the facts of the questions that the agency may ask. Nobody else is looked up.

        Raises NotAllowed `afnemer_niet_actief`.
        """
        entitlement = await self.load_entitlement()
        letters = await load_letters(self.session, self.services.letters, self.agency.oin, questions, self.at)
        admitted = [one for one in questions if entitlement.select_entitled(one, BoxFacts(letters), *kinds)]
        self.facts = await load_box_facts(
            self.session, self.services.keyring, self.agency.oin, admitted, letters, at=self.at
        )

    def decide_question(self, question: BoxQuestion, diensten: Sequence[DienstView]) -> BoxVerdict:
        """Decide a question about these diensten. Its facts must be loaded."""
        return BoxEvaluator(self.services.decide, self.facts, self.at).evaluate(question, diensten)

    def add_answer_line(self, question: BoxQuestion, verdict: BoxVerdict, diensten: Sequence[DienstView]) -> UUID:
        """Add the journal line of an answer, and return its id."""
        answer_id = uuid7()
        line = describe_box_answer(
            self.agency,
            question,
            verdict,
            self.facts,
            dienst=diensten[0].code if len(diensten) == 1 else ANY_DIENST,
            answer_id=answer_id,
            policy_digest=self.services.policy_digest,
            at=self.at,
        )
        self._lines.append((line, answer_id))
        return answer_id

    def add_refusal_line(self, refusal: Refusal) -> UUID:
        """Add the journal line of a refused question, and return its id.

        It was not looked up, so the line is about nobody.
        """
        answer_id = uuid7()
        self._lines.append((describe_refused_question(self.agency, refusal), answer_id))
        return answer_id

    async def record_lines(self) -> None:
        """Write the lines of this call, in one statement."""
        await record_all(self.session, self._lines, at=self.at)
