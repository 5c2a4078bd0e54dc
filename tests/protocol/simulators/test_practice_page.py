"""The page `/oefenen` of the service: be this person, see this. Only in practice."""

from machtiging.app import create_app
from machtiging.settings import Environment, Settings
from machtiging.simulators.personas import PERSONAS
from machtiging.simulators.practice_page import SCENES, Scene, build_login_link
from machtiging.web.framework_internals import list_routes
from tests.builders.applications import POLICIES
from tests.builders.keys import make_key_directory
from tests.builders.people import ISSUER
from tests.builders.settings import OPERATOR_CONTENT


async def test_practice_page_links_every_scene_of_the_practice_world(portal):
    page = await (await portal.mother()).open_page(ISSUER + "/oefenen")
    links = {href for href, _ in page.links if href.startswith("/inloggen?login_hint=")}
    assert links == {build_login_link(*SCENES[scene]) for scene in Scene}
    assert {key for key, _ in SCENES.values()} <= set(PERSONAS)


def test_practice_page_in_production_does_not_exist(tmp_path):
    help_points, changes = tmp_path / "help_points.yaml", tmp_path / "changes.yaml"
    help_points.write_text("- {name: Bibliotheek, address: Plein 1, postcode: 1234 AB, place: Dorp}")
    changes.write_text("[]")
    settings = Settings(
        env=Environment.PRODUCTION,
        database_url="postgresql:///niets?host=/nergens",
        keys_dir=make_key_directory(tmp_path / "keys"),
        policies_dir=POLICIES,
        issuer="https://machtigen.nl",
        broker_issuer="https://inloggen.nl",
        **OPERATOR_CONTENT | {"help_points_file": help_points, "service_changes_file": changes},
    )
    assert "/oefenen" not in {path for path, _ in list_routes(create_app(settings))}
