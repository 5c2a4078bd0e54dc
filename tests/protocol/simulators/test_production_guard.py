"""The stand-in broker, where anyone logs in as anyone, refuses to start in production."""

import pytest

from machtiging.kernel.errors import Fault
from machtiging.settings import Environment
from machtiging.simulators.app import create_simulator
from tests.builders.people import make_practice_settings


def test_stand_in_with_production_settings_is_rejected():
    with pytest.raises(Fault, match="oefenomgeving_in_productie"):
        create_simulator(make_practice_settings(env=Environment.PRODUCTION))


@pytest.mark.parametrize("word", ["production", "PRODUCTION", " production "])
def test_stand_in_with_production_environment_is_rejected(monkeypatch, word):
    monkeypatch.setenv("MACHTIGING_ENV", word)
    with pytest.raises(Fault, match="oefenomgeving_in_productie"):
        create_simulator(make_practice_settings(env=Environment.DEVELOPMENT))


@pytest.mark.parametrize("environment", [Environment.DEVELOPMENT, Environment.TEST])
def test_stand_in_in_development_or_test_starts(monkeypatch, environment):
    monkeypatch.delenv("MACHTIGING_ENV", raising=False)
    assert create_simulator(make_practice_settings(env=environment))
