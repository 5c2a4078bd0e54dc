"""A mutant that takes away what has been moved or renamed breaks nothing, and proves nothing."""

from tests.builders.mutants import (
    MUTANTS,
    clients,
    codes,
    counters,
    exchanging,
    network,
    refreshing,
    requests,
    signatures,
    tokens,
)

AREAS = (clients, codes, counters, exchanging, network, refreshing, requests, signatures, tokens)


def test_every_mutant_takes_away_something_that_is_there(monkeypatch):
    taken_away = []

    def looked(place, name, new):
        new(getattr(place, name))
        taken_away.append(name)

    for area in AREAS:
        monkeypatch.setattr(area, "swap", looked, raising=False)
    for name, mutant in MUTANTS.items():
        taken_away.clear()
        mutant.breaks()
        assert taken_away or mutant.wraps is not None, name
