"""The folder of an AuthZEN tenant: any error in it stops the start."""

import shutil
from pathlib import Path

import pytest

from machtiging.kernel.errors import Fault
from machtiging.verification.authzen.tenants import load_tenants

TENANTS = Path(__file__).parents[2] / "protocol" / "authzen" / "tenants"


@pytest.fixture
def tenant(tmp_path):
    """A copy of the tenant `proef` to break."""
    return shutil.copytree(TENANTS / "proef", tmp_path / "proef")


def refuse(folder, *, practice=True):
    with pytest.raises(Fault) as refused:
        load_tenants(folder, practice=practice)
    return refused.value


def replace_text(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_tenants_without_a_folder_are_none():
    assert load_tenants(None, practice=False) == {}


def test_tenants_of_a_folder_have_a_digest_each():
    loaded = load_tenants(TENANTS, practice=True)
    assert sorted(loaded) == ["besloten", "proef"]
    assert len({one.digest for one in loaded.values()}) == 2


def test_digest_of_a_tenant_with_another_row_differs(tenant):
    before = load_tenants(tenant.parent, practice=True)["proef"].digest
    replace_text(tenant / "policy.csv", "g, bob, reader", "g, bob, editor")
    assert load_tenants(tenant.parent, practice=True)["proef"].digest != before


def test_tenants_of_a_missing_folder_stop_the_start(tmp_path):
    assert refuse(tmp_path / "absent").code == "authzen_tenant_onleesbaar"


def test_tenants_of_an_empty_folder_stop_the_start(tmp_path):
    assert refuse(tmp_path).code == "authzen_tenant_onleesbaar"


def test_public_tenant_in_production_stops_the_start(tenant):
    assert refuse(tenant.parent, practice=False).code == "authzen_tenant_onveilig"


@pytest.mark.parametrize("name", ["Proef", "proef_1", "-", "a" * 41])
def test_tenant_with_an_unsafe_name_stops_the_start(tenant, name):
    tenant.rename(tenant.with_name(name))
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"


def test_file_beside_the_tenants_stops_the_start(tenant):
    (tenant.parent / "readme").write_text("x")
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"


@pytest.mark.parametrize("file", ["tenant.yaml", "model.conf", "policy.csv"])
def test_tenant_without_one_of_its_files_stops_the_start(tenant, file):
    (tenant / file).unlink()
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tenant.yaml", "door: public", "door: everybody"),
        ("tenant.yaml", "door: public", "doors: public"),
        ("tenant.yaml", "door: public", "door: agency"),
        ("tenant.yaml", "door: public", "door: public\nagencies: ['00000099000000001000']"),
        ("tenant.yaml", "caller_properties: decide", "caller_properties: true"),
        ("tenant.yaml", "actions: [read, write, delete]", "actions: []"),
        ("tenant.yaml", "id: bob", "id: alice"),
        ("tenant.yaml", "id: bob", "id: 7"),
        ("tenant.yaml", "id: bob", "name: bob"),
        ("tenant.yaml", "door: public", "door: [public"),
        ("model.conf", "r = sub, act, obj, ctx", "r = sub, obj, act, ctx"),
        ("model.conf", "r = sub, act, obj, ctx", "r = sub, act, obj"),
        ("model.conf", "[matchers]", "[matcher]"),
        ("model.conf", "r.act.name == p.act", "r.act.name = p.act"),
        ("model.conf", "r.act.name == p.act", "r.act.name.first.last == p.act"),
        ("model.conf", "r.act.name == p.act", "nobody(r.act.name)"),
        ("model.conf", "r.act.name == p.act", "(r.act.name == p.act"),
        ("policy.csv", "p, readers-read, reader, read, *, *, allow", "p, readers-read, reader, read, *, allow"),
        ("policy.csv", "p, readers-read, reader, read, *, *, allow", "p2, readers-read, reader, read, *, *, allow"),
        ("policy.csv", "g, bob, reader", "g, bob, reader, x"),
        ("policy.csv", "g, bob, reader", "m, bob, reader"),
        ("policy.csv", "g, bob, reader", 'g, "bob, reader'),
    ],
)
def test_tenant_with_an_error_stops_the_start(tenant, file, old, new):
    replace_text(tenant / file, old, new)
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"


def test_tenant_without_rows_stops_the_start(tenant):
    (tenant / "policy.csv").write_text("# nothing\n")
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"


def test_tenant_with_a_file_of_other_bytes_stops_the_start(tenant):
    (tenant / "policy.csv").write_bytes(b"p, \xff")
    assert refuse(tenant.parent).code == "authzen_tenant_onleesbaar"
