"""The key ring: blind index, pseudonyms and wrapped data keys."""

import pickle
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import rotate_key
from machtiging.kernel.errors import Fault
from tests.builders.keys import MADE_AT, load_keyring, make_key_directory

RING = load_keyring()
PERSON_ID, OTHER_PERSON_ID = UUID(int=1), UUID(int=2)
purposes = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text)


@given(purposes, st.text(max_size=12), purposes, st.text(max_size=12))
def test_blind_index_is_stable_and_differs_by_purpose_and_value(purpose, value, purpose_2, value_2):
    assume((purpose, value) != (purpose_2, value_2))
    assert RING.blind_index(purpose, value) == RING.blind_index(purpose, value)
    assert RING.blind_index(purpose, value) != RING.blind_index(purpose_2, value_2)
    assert len(RING.blind_index(purpose, value)) == 32


@pytest.mark.parametrize("purpose", ["", "a\0b", "\0"])
def test_blind_index_with_ambiguous_purpose_is_rejected(purpose):
    with pytest.raises(ValueError):
        RING.blind_index(purpose, "x")


def test_blind_index_depends_on_the_key(tmp_path):
    directory = make_key_directory(tmp_path / "keys")
    (directory / "blind-index.key").write_bytes((directory / "pseudonym.key").read_bytes())
    assert KeyRing.load(directory).blind_index("bsn", "999990019") != RING.blind_index("bsn", "999990019")


sectors = st.text(min_size=1, max_size=12)


@given(st.uuids(), sectors, st.uuids(), sectors)
def test_pseudonym_is_stable_per_sector_and_differs_between_sectors(person, sector, person_2, sector_2):
    assume((person, sector) != (person_2, sector_2))
    assert RING.pairwise_subject(person, sector) == RING.pairwise_subject(person, sector)
    assert RING.pairwise_subject(person, sector) != RING.pairwise_subject(person_2, sector_2)


def test_pseudonym_is_url_safe():
    name = RING.pairwise_subject(PERSON_ID, "https://app.example")
    assert len(name) == 43
    assert name.replace("-", "").replace("_", "").isalnum()
    with pytest.raises(ValueError):
        RING.pairwise_subject(PERSON_ID, "")


def test_wrapped_data_key_unwraps():
    made = RING.create_data_key(PERSON_ID)
    opened = RING.unwrap_data_key(made.wrapped, made.kek_version, PERSON_ID)
    assert opened.decrypt(made.key.encrypt(b"hallo", "bericht"), "bericht") == b"hallo"


def test_data_keys_are_unique():
    sealed = RING.create_data_key(PERSON_ID).key.encrypt(b"hallo", "bericht")
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.create_data_key(PERSON_ID).key.decrypt(sealed, "bericht")


def test_wrapped_data_key_moved_to_another_person_is_rejected():
    made = RING.create_data_key(PERSON_ID)
    RING.unwrap_data_key(made.wrapped, made.kek_version, PERSON_ID)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.unwrap_data_key(made.wrapped, made.kek_version, OTHER_PERSON_ID)


@given(st.data())
def test_wrapped_data_key_with_changed_byte_is_rejected(data):
    made = RING.create_data_key(PERSON_ID)
    damaged = bytearray(made.wrapped)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.unwrap_data_key(bytes(damaged), made.kek_version, PERSON_ID)


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


LATER = MADE_AT + timedelta(days=1)


def test_kek_rotation_wraps_with_newest_and_unwraps_with_all(keys):
    old = KeyRing.load(keys).create_data_key(PERSON_ID)
    rotate_key(keys, KeyKind.KEK, LATER)
    ring = KeyRing.load(keys)
    new = ring.create_data_key(PERSON_ID)
    assert (old.kek_version, new.kek_version) == (1, 2)
    for made in (old, new):
        ring.unwrap_data_key(made.wrapped, made.kek_version, PERSON_ID).decrypt(made.key.encrypt(b"x", "y"), "y")


def test_worker_started_before_rotation_loads_the_new_kek(keys):
    worker = KeyRing.load(keys)
    rotate_key(keys, KeyKind.KEK, LATER)
    made = KeyRing.load(keys).create_data_key(PERSON_ID)
    assert worker.unwrap_data_key(made.wrapped, 2, PERSON_ID).decrypt(made.key.encrypt(b"x", "y"), "y") == b"x"


@pytest.mark.parametrize("version", [0, -1, 2, 10**9])
def test_unknown_kek_version_is_a_fault(keys, version):
    ring = KeyRing.load(keys)
    with pytest.raises(Fault, match="sleutelversie_onbekend"):
        ring.unwrap_data_key(ring.create_data_key(PERSON_ID).wrapped, version, PERSON_ID)


def test_wrapped_data_key_under_another_kek_version_is_rejected(keys):
    made = KeyRing.load(keys).create_data_key(PERSON_ID)
    rotate_key(keys, KeyKind.KEK, LATER)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        KeyRing.load(keys).unwrap_data_key(made.wrapped, 2, PERSON_ID)


def test_rewrap_keeps_the_data_key_under_the_newest_kek(keys):
    person = uuid4()
    old = KeyRing.load(keys).create_data_key(person)
    rotate_key(keys, KeyKind.KEK, LATER)
    ring = KeyRing.load(keys)
    new = ring.rewrap_data_key(old.wrapped, old.kek_version, person)
    assert new.kek_version == 2
    assert ring.unwrap_data_key(new.wrapped, 2, person).decrypt(old.key.encrypt(b"x", "y"), "y") == b"x"
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        ring.rewrap_data_key(old.wrapped, old.kek_version, OTHER_PERSON_ID)


def test_key_ring_is_hidden_in_repr_and_cannot_be_pickled():
    assert repr(RING) == str(RING) == "KeyRing(***)"
    with pytest.raises(TypeError):
        pickle.dumps(RING)
