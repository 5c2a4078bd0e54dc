"""A Permit: made by the guard only, immutable, valid for its act and scope."""

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
from tests.builders.keys import NOON
from tests.unit.access.actors import CITIZEN, make_narrow_scope, make_old_envelope

PERMIT_SUBJECT = {
    "actor_id": CITIZEN,
    "capacity": Capacity.SELF,
    "vertegenwoordigde_id": CITIZEN,
    "machtiging_id": None,
    "at": NOON,
    "journal_id": uuid7(),
}
READ_PERMIT_VALUES = {
    **PERMIT_SUBJECT,
    "act": Act.READ,
    "kind": "bericht",
    "object_id": "x",
    "bericht_id": BerichtId(uuid7()),
}
LIST_PERMIT_VALUES = {
    **PERMIT_SUBJECT,
    "allowed_pairs": frozenset({(Theme.TOESLAGEN, Sensitivity.GEWOON)}),
    "scope": None,
}


@pytest.mark.parametrize(("kind", "values"), [(Permit, READ_PERMIT_VALUES), (ListingPermit, LIST_PERMIT_VALUES)])
@pytest.mark.parametrize("seal", [PermitSeal(), None, object(), True, "SEAL"])
def test_permit_without_seal_is_rejected(kind, values, seal):
    with pytest.raises(Fault, match="permit_zonder_zegel"):
        kind(**values, seal=seal)
    with pytest.raises(TypeError, match="seal"):
        kind(**values)


@pytest.mark.parametrize(("kind", "values"), [(Permit, READ_PERMIT_VALUES), (ListingPermit, LIST_PERMIT_VALUES)])
def test_permit_is_immutable_and_cannot_be_copied(kind, values):
    permit = kind(**values, seal=PERMIT_SEAL)
    with pytest.raises(AttributeError):
        permit.vertegenwoordigde_id = uuid7()
    with pytest.raises((ValueError, TypeError)):
        replace(permit, vertegenwoordigde_id=uuid7())
    with pytest.raises(AttributeError):
        permit.seal  # noqa: B018 (the seal does not stay behind on the permit)


def test_permit_for_another_act_is_rejected():
    permit = Permit(**READ_PERMIT_VALUES, seal=PERMIT_SEAL)
    assert permit.bericht_id_for(Act.READ, Act.DOWNLOAD) == READ_PERMIT_VALUES["bericht_id"]
    with pytest.raises(Fault, match="permit_voor_andere_handeling"):
        permit.bericht_id_for(Act.DELETE)
    with pytest.raises(Fault, match="permit_voor_andere_handeling"):
        permit.bericht_id_for()


def test_listing_permit_shows_only_its_pairs_and_scope():
    wide = ListingPermit(**LIST_PERMIT_VALUES, seal=PERMIT_SEAL)
    assert wide.includes_envelope(make_old_envelope())
    assert not wide.includes_envelope(make_old_envelope(theme=Theme.ZORG))
    scope = make_narrow_scope(excluded_themes=frozenset({Theme.TOESLAGEN}))
    assert not ListingPermit(**{**LIST_PERMIT_VALUES, "scope": scope}, seal=PERMIT_SEAL).includes_envelope(
        make_old_envelope()
    )


def _uses(module: Iterable[ast.AST]) -> set[str]:
    """Constructor calls of permits in these nodes, and every mention of the seal."""
    found = set()
    for node in module:
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found |= {name} & {"Permit", "ListingPermit", "PermitSeal"}
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        names += [getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "value", "")]
        found |= {"PERMIT_SEAL"} & {name for name in names if isinstance(name, str)}
    return found


def test_only_guard_constructs_permits_and_imports_seal():
    makers = {name_of(path) for path in modules(migrations=True) if _uses(nodes(path))}
    assert makers == {"machtiging/access/guard.py", "machtiging/access/permit.py"}


@pytest.mark.parametrize(
    "offence",
    [
        "Permit(act=1)",
        "permit.ListingPermit()",
        "from machtiging.access.permit import PERMIT_SEAL",
        "from machtiging.access.permit import PERMIT_SEAL as s",
        "permit.PERMIT_SEAL",
        "getattr(permit, 'PERMIT_SEAL')",
        "PermitSeal()",
    ],
)
def test_permit_construction_outside_guard_is_found(offence):
    assert _uses(ast.walk(ast.parse(offence)))
