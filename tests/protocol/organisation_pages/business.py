"""A business with a letter and a director from the trade register."""

from machtiging.delegation.statutory.rules import EventType
from machtiging.kernel.clock import to_dutch_date
from tests.builders.letters import make_pdf
from tests.builders.organisations import add_organisation
from tests.builders.rows import BIJLAGEN
from tests.storage.statutory.register_world import tell_of_director

SUBJECT, NAME = "Aanslag vennootschapsbelasting", "Bakkerij De Korst"
NOT_HERE = "Wij kennen u hier niet als bestuurder"


class Business:
    """A business with a letter, and its director with the machtiging of the register."""

    def __init__(self, portal, world, business, letter, bijlage):
        self.portal, self.world, self.id, self.letter, self.bijlage = portal, world, business, letter, bijlage
        self.directorship = None

    async def tell(self, type_=EventType.BEGIN, *, director=None, **changes):
        at = self.portal.clock.now()
        days = {"effective_on": to_dutch_date(at), "registered_on": to_dutch_date(at)}
        async with self.world.sessions.begin() as session:
            director = director or self.portal.people.son
            self.directorship = await tell_of_director(session, self.id, director, type_, at=at, **days | changes)

    @property
    def letters(self):
        return f"/bedrijf/{self.directorship}/brieven"

    @property
    def pages(self):
        letter = f"{self.letters}/{self.letter}"
        return (self.letters, letter, f"{letter}/bijlagen/{self.bijlage}")


async def make_business(portal, world, kvk, status="geen"):
    """A business with a letter, and the son as its director."""
    async with world.sessions.begin() as session:
        organisation = await add_organisation(session, kvk, status=status, name=NAME, kind="bedrijf")
    pdf = ("aanslag.pdf", make_pdf(), "application/pdf")
    letter = await world.deliver_letter(pdf, ontvanger={"type": "KVK", "waarde": kvk}, onderwerp=SUBJECT)
    made = Business(portal, world, organisation, letter, await BIJLAGEN.read_value(world, "id"))
    await made.tell()
    return made
