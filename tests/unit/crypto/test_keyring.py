"""The key ring's verbs: index, pseudonyms, wrapped data keys."""

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
from tests.builders.crypto import MADE_AT, a_key_directory, a_keyring

RING = a_keyring()
ONE, OTHER = UUID(int=1), UUID(int=2)
purposes = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text)


@given(purposes, st.text(max_size=12), purposes, st.text(max_size=12))
def test_an_index_is_stable_and_differs_by_purpose_and_by_value(purpose, value, purpose_2, value_2):
    assume((purpose, value) != (purpose_2, value_2))
    assert RING.blind_index(purpose, value) == RING.blind_index(purpose, value)
    assert RING.blind_index(purpose, value) != RING.blind_index(purpose_2, value_2)
    assert len(RING.blind_index(purpose, value)) == 32


@pytest.mark.parametrize("purpose", ["", "a\0b", "\0"])
def test_an_index_without_a_clear_purpose_is_refused(purpose):
    with pytest.raises(ValueError):
        RING.blind_index(purpose, "x")


def test_an_index_does_not_hold_without_the_key(tmp_path):
    directory = a_key_directory(tmp_path / "keys")
    (directory / "blind-index.key").write_bytes((directory / "pseudonym.key").read_bytes())
    assert KeyRing.load(directory).blind_index("bsn", "999990019") != RING.blind_index("bsn", "999990019")


sectors = st.text(min_size=1, max_size=12)


@given(st.uuids(), sectors, st.uuids(), sectors)
def test_a_pseudonym_is_stable_in_a_sector_and_unrelated_elsewhere(person, sector, person_2, sector_2):
    assume((person, sector) != (person_2, sector_2))
    assert RING.pairwise_subject(person, sector) == RING.pairwise_subject(person, sector)
    assert RING.pairwise_subject(person, sector) != RING.pairwise_subject(person_2, sector_2)


def test_a_pseudonym_is_fit_for_a_url_and_does_not_hold_the_id():
    name = RING.pairwise_subject(ONE, "https://app.example")
    assert len(name) == 43
    assert name.replace("-", "").replace("_", "").isalnum()
    with pytest.raises(ValueError):
        RING.pairwise_subject(ONE, "")


def test_a_data_key_comes_back_from_its_wrapping():
    made = RING.create_data_key(ONE)
    opened = RING.unwrap_data_key(made.wrapped, made.kek_version, ONE)
    assert opened.decrypt(made.key.encrypt(b"hallo", "bericht"), "bericht") == b"hallo"


def test_everybody_has_a_data_key_of_their_own():
    sealed = RING.create_data_key(ONE).key.encrypt(b"hallo", "bericht")
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.create_data_key(ONE).key.decrypt(sealed, "bericht")


def test_a_wrapped_key_moved_to_somebody_else_does_not_open():
    made = RING.create_data_key(ONE)
    RING.unwrap_data_key(made.wrapped, made.kek_version, ONE)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.unwrap_data_key(made.wrapped, made.kek_version, OTHER)


@given(st.data())
def test_a_wrapped_key_with_any_changed_byte_does_not_open(data):
    made = RING.create_data_key(ONE)
    damaged = bytearray(made.wrapped)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        RING.unwrap_data_key(bytes(damaged), made.kek_version, ONE)


@pytest.fixture
def keys(tmp_path):
    return a_key_directory(tmp_path / "keys")


LATER = MADE_AT + timedelta(days=1)


def test_after_a_rotation_the_newest_wraps_and_all_unwrap(keys):
    old = KeyRing.load(keys).create_data_key(ONE)
    rotate_key(keys, KeyKind.KEK, LATER)
    ring = KeyRing.load(keys)
    new = ring.create_data_key(ONE)
    assert (old.kek_version, new.kek_version) == (1, 2)
    for made in (old, new):
        ring.unwrap_data_key(made.wrapped, made.kek_version, ONE).decrypt(made.key.encrypt(b"x", "y"), "y")


def test_a_worker_that_started_before_the_rotation_finds_the_new_key_by_itself(keys):
    worker = KeyRing.load(keys)
    rotate_key(keys, KeyKind.KEK, LATER)
    made = KeyRing.load(keys).create_data_key(ONE)
    assert worker.unwrap_data_key(made.wrapped, 2, ONE).decrypt(made.key.encrypt(b"x", "y"), "y") == b"x"


@pytest.mark.parametrize("version", [0, -1, 2, 10**9])
def test_a_version_that_is_not_in_the_ring_is_a_clear_error(keys, version):
    ring = KeyRing.load(keys)
    with pytest.raises(Fault, match="sleutelversie_onbekend"):
        ring.unwrap_data_key(ring.create_data_key(ONE).wrapped, version, ONE)


def test_a_wrapping_does_not_open_under_another_version(keys):
    made = KeyRing.load(keys).create_data_key(ONE)
    rotate_key(keys, KeyKind.KEK, LATER)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        KeyRing.load(keys).unwrap_data_key(made.wrapped, 2, ONE)


def test_rewrapping_keeps_the_key_and_brings_it_under_the_newest_version(keys):
    person = uuid4()
    old = KeyRing.load(keys).create_data_key(person)
    rotate_key(keys, KeyKind.KEK, LATER)
    ring = KeyRing.load(keys)
    new = ring.rewrap_data_key(old.wrapped, old.kek_version, person)
    assert new.kek_version == 2
    assert ring.unwrap_data_key(new.wrapped, 2, person).decrypt(old.key.encrypt(b"x", "y"), "y") == b"x"
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        ring.rewrap_data_key(old.wrapped, old.kek_version, OTHER)


def test_a_ring_does_not_show_and_cannot_be_written_away():
    assert repr(RING) == str(RING) == "KeyRing(***)"
    with pytest.raises(TypeError):
        pickle.dumps(RING)
