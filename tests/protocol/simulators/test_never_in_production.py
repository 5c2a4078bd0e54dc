"""Where real letters are, nobody may log in as anybody."""

import pytest

from machtiging.kernel.errors import Fault
from machtiging.settings import Environment
from machtiging.simulators.app import create_simulator
from tests.builders.login import practice_settings


def test_the_stand_in_refuses_settings_of_production():
    with pytest.raises(Fault, match="oefenomgeving_in_productie"):
        create_simulator(practice_settings(env=Environment.PRODUCTION))


@pytest.mark.parametrize("word", ["production", "PRODUCTION", " production "])
def test_the_environment_refuses_even_when_the_settings_say_otherwise(monkeypatch, word):
    monkeypatch.setenv("MACHTIGING_ENV", word)
    with pytest.raises(Fault, match="oefenomgeving_in_productie"):
        create_simulator(practice_settings(env=Environment.DEVELOPMENT))


@pytest.mark.parametrize("environment", [Environment.DEVELOPMENT, Environment.TEST])
def test_elsewhere_it_may_be_made(monkeypatch, environment):
    monkeypatch.delenv("MACHTIGING_ENV", raising=False)
    assert create_simulator(practice_settings(env=environment))
