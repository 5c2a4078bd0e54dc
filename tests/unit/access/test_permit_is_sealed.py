"""A Permit comes from the guard or not at all."""

import ast
from collections.abc import Iterable
from dataclasses import replace

import pytest

from machtiging.access.permit import PERMIT_SEAL, ListingPermit, Permit, PermitSeal
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, uuid7
from tests.architecture.sources import modules, name_of, nodes
from tests.builders.access import CITIZEN, NOON, a_scope, an_envelope

WHO = {
    "actor_id": CITIZEN,
    "capacity": Capacity.SELF,
    "vertegenwoordigde_id": CITIZEN,
    "machtiging_id": None,
    "at": NOON,
    "journal_id": uuid7(),
}
ONE = {**WHO, "act": Act.READ, "kind": "bericht", "object_id": "x", "bericht_id": BerichtId(uuid7())}
MANY = {**WHO, "allowed_pairs": frozenset({(Theme.TOESLAGEN, Sensitivity.GEWOON)}), "scope": None}


@pytest.mark.parametrize(("kind", "values"), [(Permit, ONE), (ListingPermit, MANY)])
@pytest.mark.parametrize("seal", [PermitSeal(), None, object(), True, "SEAL"])
def test_without_the_seal_there_is_no_permit(kind, values, seal):
    with pytest.raises(Fault, match="permit_zonder_zegel"):
        kind(**values, seal=seal)
    with pytest.raises(TypeError, match="seal"):
        kind(**values)


@pytest.mark.parametrize(("kind", "values"), [(Permit, ONE), (ListingPermit, MANY)])
def test_a_permit_does_not_change_and_makes_no_other(kind, values):
    permit = kind(**values, seal=PERMIT_SEAL)
    with pytest.raises(AttributeError):
        permit.vertegenwoordigde_id = uuid7()
    with pytest.raises((ValueError, TypeError)):
        replace(permit, vertegenwoordigde_id=uuid7())
    with pytest.raises(AttributeError):
        permit.seal  # noqa: B018 (the seal does not stay behind on the permit)


def test_a_permit_for_reading_is_no_permit_for_deleting():
    permit = Permit(**ONE, seal=PERMIT_SEAL)
    assert permit.bericht_id_for(Act.READ, Act.DOWNLOAD) == ONE["bericht_id"]
    with pytest.raises(Fault, match="permit_voor_andere_handeling"):
        permit.bericht_id_for(Act.DELETE)
    with pytest.raises(Fault, match="permit_voor_andere_handeling"):
        permit.bericht_id_for()


def test_a_listing_permit_shows_what_is_in_its_pairs_and_its_scope():
    wide = ListingPermit(**MANY, seal=PERMIT_SEAL)
    assert wide.includes_envelope(an_envelope())
    assert not wide.includes_envelope(an_envelope(theme=Theme.ZORG))
    scope = a_scope(excluded_themes=frozenset({Theme.TOESLAGEN}))
    assert not ListingPermit(**{**MANY, "scope": scope}, seal=PERMIT_SEAL).includes_envelope(an_envelope())


def _uses(module: Iterable[ast.AST]) -> set[str]:
    """What these nodes make or touch of the permit: constructor calls, and any mention of the seal."""
    found = set()
    for node in module:
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found |= {name} & {"Permit", "ListingPermit", "Seal"}
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "value", "")]
        found |= {"SEAL"} & {name for name in names if isinstance(name, str)}
    return found


def test_nobody_but_the_guard_makes_permits_or_touches_the_seal():
    makers = {name_of(path) for path in modules(migrations=True) if _uses(nodes(path))}
    assert makers == {"machtiging/access/guard.py", "machtiging/access/permit.py"}


@pytest.mark.parametrize(
    "offence",
    [
        "Permit(act=1)",
        "permit.ListingPermit()",
        "from machtiging.access.permit import SEAL",
        "from machtiging.access.permit import SEAL as s",
        "permit.SEAL",
        "getattr(permit, 'SEAL')",
        "Seal()",
    ],
)
def test_the_search_would_find_an_offender(offence):
    assert _uses(ast.walk(ast.parse(offence)))
