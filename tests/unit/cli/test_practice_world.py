"""The practice world: letters of two years, and clients with test BSNs."""

from machtiging.agencies.catalogue import CATALOGUE, find_catalogue_oin
from machtiging.cli.demo import world
from machtiging.cli.demo.world_letters import build_letters_of_two_years
from machtiging.kernel.bsn import Bsn
from machtiging.simulators.personas import PERSONAS


def test_letters_of_two_years_have_unique_references_and_known_diensten():
    letters = build_letters_of_two_years("Geachte mevrouw", "riet") + build_letters_of_two_years("Geachte heer", "bram")
    diensten = {(name, entry.code) for (name, _), entries in CATALOGUE.items() for entry in entries}
    assert len({letter.reference for letter in letters}) == len(letters) > 40
    assert {(letter.sender, letter.dienst) for letter in letters} <= diensten
    assert all(find_catalogue_oin(letter.sender) for letter in letters)


def test_letters_of_the_practice_world_are_of_the_last_two_years():
    ages = [letter.days_ago for letter in build_letters_of_two_years("Geachte mevrouw", "riet")]
    assert min(ages) >= 1
    assert 365 < max(ages) <= 2 * 365 + 60


def test_clients_of_the_practice_office_have_test_bsns_of_their_own():
    numbers = [bsn for _, _, bsn in world._CLIENTS if Bsn(bsn)]
    personas = {persona.bsn for persona in PERSONAS.values()}
    assert len(set(numbers)) == 12
    assert not personas & set(numbers)
    assert all(number.startswith("99999") for number in numbers)
