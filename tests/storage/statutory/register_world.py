"""A citizen with two relatives, and the events of a register about them."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count
from uuid import UUID

from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.statutory.application import EventContext
from machtiging.delegation.statutory.precedence import read_precedence
from machtiging.delegation.statutory.register_events import receive_event
from machtiging.delegation.statutory.rules import EventType, RegisterEvent, StatutoryKind
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import PersonId
from tests.builders.applications import POLICIES
from tests.builders.keys import NOON, load_keyring
from tests.builders.people import add_mother_and_son, add_person
from tests.builders.rows import STATUTORY_RELATIONS

REGISTER = "00000099000000020000"
LATER = NOON + timedelta(hours=2)
CONTEXT = EventContext(load_keyring(), read_precedence(POLICIES))
_ids = count(1)


@dataclass
class RegisterWorld:
    """The mother is represented, the son and the daughter represent."""

    session: object
    mother: PersonId
    son: PersonId
    daughter: PersonId
    people: object
    answers: list = field(default_factory=list)

    def event(self, type_=EventType.BEGIN, **changes) -> RegisterEvent:
        """An event about bewind by the son, since yesterday."""
        made = RegisterEvent(
            source=REGISTER,
            source_event_id=f"g{next(_ids)}",
            sequence_number=None,
            type=type_,
            kind=StatutoryKind.BEWIND,
            relation_reference="r1",
            vertegenwoordigde_id=self.mother,
            vertegenwoordiger_id=None if type_ is EventType.END else self.son,
            is_organisation=False,
            effective_on=date(2026, 11, 22),
            ends_on=None,
            themes=None,
            evidence_reference="C/10/2026/77",
            registered_on=date(2026, 11, 22),
            born_on=None,
            body_hash=b"",
        )
        made = replace(made, **changes)
        content = repr(replace(made, body_hash=b"")).encode()
        return made if made.body_hash else replace(made, body_hash=content)

    async def send(self, event: RegisterEvent, at: datetime = NOON):
        """Let the register send it."""
        return await receive_event(self.session, CONTEXT, event, at=at)

    async def relation(self, reference: str = "r1"):
        return await STATUTORY_RELATIONS.read_one(self.session, relation_reference=reference)

    async def stop_code(self, machtiging_id: UUID, at: datetime = LATER):
        """The reason why nobody reads with it; None if it can be read with."""
        authority = await load_authority(self.session, machtiging_id, at=at)
        assert authority is not None
        assert authority.is_authentic
        stop = authority.stop_reason(at)
        return None if stop is None else stop.code


async def build_register_world(session) -> RegisterWorld:
    people = await add_mother_and_son(session)
    daughter = await add_person(session, Bsn("999990044"), "Cato Voorbeeld", date(1983, 2, 1))
    return RegisterWorld(session, people.mother, people.son, daughter, people)


async def tell_of_director(
    session, business: UUID, director: PersonId, type_=EventType.BEGIN, *, at: datetime = NOON, **changes
) -> UUID:
    """Let the trade register tell of a director of this business. Returns the machtiging of the relation."""
    world = RegisterWorld(session, PersonId(business), director, director, None)
    changes = {"kind": StatutoryKind.DIRECTOR, "relation_reference": "b1"} | changes
    await world.send(world.event(type_, **changes), at)
    return (await world.relation(changes["relation_reference"])).machtiging_id
