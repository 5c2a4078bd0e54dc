"""An import does what was shown, or nothing, and goes around no second person."""

import asyncio

import pytest

from machtiging.kernel.errors import Refusal
from machtiging.organisations.queries import load_organisation_view
from machtiging.organisations.register_import.csv_lines import read_register_file
from machtiging.organisations.register_import.execution import execute_import
from machtiging.organisations.register_import.plan import plan_import
from machtiging.organisations.rules import RecognitionStatus
from machtiging.organisations.tables import Organisation
from tests.builders.keys import load_keyring
from tests.builders.rows import EMPLOYEES, TableReader
from tests.storage.organisations.organisation_world import BROKER, KVK, OTHER_KVK

ORGANISATIONS = TableReader(Organisation)
HEAD = "naam;soort;kvk;dagen;grond"
STAFF = "kvk;naam;inlogkenmerk;rollen"
NORTH, SOUTH = f"Wijkteam Noord;welzijn;{KVK};365;aanvraag", f"Wijkteam Zuid;zorg;{OTHER_KVK};90;aanvraag"


class Importer:
    """Plans and does imports by the first operator."""

    def __init__(self, world):
        self.world = world

    async def plan(self, *lines):
        file = read_register_file("\n".join(lines).encode())
        return await self.world.do(plan_import, file, BROKER)

    async def effects(self, *lines):
        plan = await self.plan(*lines)
        return [(one.number, one.effect.value, one.message.key if one.message else "") for one in plan.lines]

    async def run(self, *lines, digest=None):
        """Do what the plan shows. Returns the code of a refusal."""
        file = read_register_file("\n".join(lines).encode())
        digest = digest or (await self.plan(*lines)).digest
        try:
            operator = self.world.operators[0]
            await self.world.do(execute_import, load_keyring(), operator, file, BROKER, digest)
        except Refusal as refusal:
            return refusal.code
        return None


@pytest.fixture
def importer(world):
    return Importer(world)


async def test_import_registers_organisations_that_ask_for_recognition(importer, world):
    planned = await importer.effects(HEAD, NORTH, SOUTH)
    assert planned == [(2, "nieuw", "import_vraagt_erkenning"), (3, "nieuw", "import_vraagt_erkenning")]
    assert await ORGANISATIONS.count(world.database) == 0
    assert await importer.run(HEAD, NORTH, SOUTH) is None
    ids = await ORGANISATIONS.read_column(world.database, "id")
    views = [await world.do(load_organisation_view, one) for one in ids]
    assert sorted(view.name for view in views) == ["Wijkteam Noord", "Wijkteam Zuid"]
    assert {view.status for view in views} == {RecognitionStatus.REQUESTED}
    assert len(await world.lines("organisatie:geregistreerd")) == 2


async def test_same_file_again_changes_nothing(importer, world):
    await importer.run(HEAD, NORTH, SOUTH)
    assert [effect for _, effect, _ in await importer.effects(HEAD, NORTH, SOUTH)] == ["ongewijzigd"] * 2
    before = await ORGANISATIONS.dump(world.database)
    assert await importer.run(HEAD, NORTH, SOUTH) is None
    assert await ORGANISATIONS.dump(world.database) == before


async def test_refused_lines_are_left_out_and_the_others_done(importer, world):
    bad = f"Fout;welzijn;1;365;aanvraag\n=1+1;welzijn;{OTHER_KVK};365;x"
    effects = await importer.effects(HEAD, bad, NORTH)
    assert effects == [
        (2, "geweigerd", "kvk_ongeldig"),
        (3, "geweigerd", "regel_met_formule"),
        (4, "nieuw", "import_vraagt_erkenning"),
    ]
    await importer.run(HEAD, bad, NORTH)
    assert await ORGANISATIONS.read_column(world.database, "name") == ["Wijkteam Noord"]


async def test_second_line_with_the_same_number_is_refused(importer):
    plan = await importer.plan(HEAD, NORTH, NORTH.replace("Noord", "Nog eens"))
    assert [one.effect.value for one in plan.lines] == ["nieuw", "geweigerd"]
    assert (plan.lines[1].message.key, plan.lines[1].message.params["line"]) == ("regel_dubbel", 2)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (NORTH.replace("365", "90"), ("gewijzigd", "import_verlaagt_plafond")),
        (NORTH.replace("365", "400"), ("geweigerd", "plafond_wordt_ruimer")),
        (NORTH.replace("Noord", "Oost"), ("geweigerd", "naam_wijzigt_niet")),
        (NORTH.replace("welzijn", "zorg"), ("geweigerd", "soort_wijzigt_niet")),
    ],
)
async def test_line_about_a_registered_organisation_only_narrows(importer, world, line, expected):
    await importer.run(HEAD, NORTH)
    assert [one[1:] for one in await importer.effects(HEAD, line)] == [expected]
    await importer.run(HEAD, line)
    [days] = await ORGANISATIONS.read_column(world.database, "ceiling_days")
    assert days == (90 if expected[0] == "gewijzigd" else 365)


async def test_number_of_another_organisation_is_refused(importer):
    await importer.run("naam;soort;kvk;oin;grond", f"Een;welzijn;{KVK};00000001123456782000;x")
    await importer.run(HEAD, SOUTH)
    head, oin = "naam;soort;kvk;oin;grond", "00000001123456782000"
    assert [one[2] for one in await importer.effects(head, f"Een;welzijn;{OTHER_KVK};{oin};x")] == [
        "nummers_van_verschillende"
    ]
    assert [one[2] for one in await importer.effects(head, f"Een;welzijn;90000009;{oin};x")] == [
        "nummers_wijzigen_niet"
    ]


async def test_plan_of_a_world_that_changed_does_nothing(importer, world):
    shown = await importer.plan(HEAD, NORTH, SOUTH)
    await importer.run(HEAD, SOUTH)
    assert await importer.run(HEAD, NORTH, SOUTH, digest=shown.digest) == "import_wereld_veranderd"
    assert await ORGANISATIONS.read_column(world.database, "name") == ["Wijkteam Zuid"]


async def test_import_is_journalled_with_the_reasons_of_refused_lines(importer, world):
    await importer.run(HEAD, NORTH, NORTH.replace("Noord", "Nog eens"), f"Fout;welzijn;1;365;{OTHER_KVK}")
    [line] = await world.lines("register:geimporteerd")
    assert (line.outcome, line.reason, line.actor_id) == ("done", "uitgevoerd", world.operators[0].person_id)
    assert line.facts["bestand"] == "organisaties"
    assert line.facts["regels"] == {"nieuw": 1, "gewijzigd": 0, "ongewijzigd": 0, "geweigerd": 2}
    assert line.facts["redenen"] == {"kvk_ongeldig": 1, "regel_dubbel": 1}


async def test_refused_import_is_journalled(importer, world):
    assert await importer.run(HEAD, NORTH, digest="x") == "import_wereld_veranderd"
    [line] = await world.lines("register:geimporteerd")
    assert (line.outcome, line.reason) == ("refused", "import_wereld_veranderd")
    assert (line.actor_id, line.capacity) == (world.operators[0].person_id, "beheerder")
    assert line.facts["regels"]["nieuw"] == 1
    assert await world.lines("organisatie:geregistreerd") == []


async def test_same_import_twice_at_once_is_done_once_and_refused_once(importer, world):
    """Refused in the middle too: what it had done is undone, and its line stays."""
    digest = (await importer.plan(HEAD, NORTH, SOUTH)).digest
    codes = await asyncio.gather(*(importer.run(HEAD, NORTH, SOUTH, digest=digest) for _ in range(2)))
    assert sorted(map(str, codes)) == ["None", "import_wereld_veranderd"]
    assert sorted(line.outcome for line in await world.lines("register:geimporteerd")) == ["done", "refused"]
    assert len(await world.lines("organisatie:geregistreerd")) == 2


async def test_shown_plan_is_not_journalled(importer, world):
    await importer.plan(HEAD, NORTH)
    assert await world.lines("register:geimporteerd") == []


async def test_other_file_than_was_shown_does_nothing(importer, world):
    shown = await importer.plan(HEAD, NORTH)
    assert await importer.run(HEAD, NORTH.replace("Noord", "Oost"), digest=shown.digest) == "import_wereld_veranderd"
    assert await importer.run(HEAD, NORTH, digest="x") == "import_wereld_veranderd"
    assert await ORGANISATIONS.count(world.database) == 0


async def test_import_of_staff_invites_the_first_administrator_only(importer, world):
    await importer.run(HEAD, NORTH)
    lines = (
        f"{KVK};Anna;anna-1;organisatiebeheerder",
        f"{KVK};Bert;bert-1;organisatiebeheerder",
        f"{KVK};Carla;carla-1;hulpverlener",
        f"{KVK};Dirk;dirk-1;organisatiebeheerder hulpverlener",
        f"{KVK};Eva;eva-1;directeur",
        "90000009;Frits;frits-1;organisatiebeheerder",
    )
    assert [one[1:] for one in await importer.effects(STAFF, *lines)] == [
        ("nieuw", "import_nodigt_uit"),
        ("geweigerd", "regel_dubbel"),
        ("geweigerd", "alleen_eerste_beheerder"),
        ("geweigerd", "beheerder_met_andere_rol"),
        ("geweigerd", "rol_onbekend"),
        ("geweigerd", "organisatie_onbekend"),
    ]
    assert await importer.run(STAFF, *lines) is None
    assert await EMPLOYEES.read_column(world.database, "broker_subject") == ["anna-1"]
    again = await importer.effects(STAFF, lines[0], lines[1], lines[0].replace("organisatiebeheerder", "teamleider"))
    assert [one[1:] for one in again] == [
        ("ongewijzigd", ""),
        ("geweigerd", "alleen_eerste_beheerder"),
        ("geweigerd", "regel_dubbel"),
    ]
    changed = await importer.effects(STAFF, lines[0].replace("organisatiebeheerder", "teamleider"))
    assert [one[1:] for one in changed] == [("geweigerd", "rollen_van_organisatie")]
