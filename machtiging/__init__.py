"""Machtigingen on the Berichtenbox: who may read whose post. Decided on every access, visible to the citizen.

The map, from the outside to the inside. Imports only point down this list. Names on one line do not import each other:
they are strangers.

    __main__, cli   the command line: serve, demo, migrate, keys, policy, audit, doctor
    app             assembly of the application
    simulators      login broker and mail catcher for practice, never in production
    portal, health  pages for citizen and helper; liveness and readiness
    oauth           tokens, clients, consents; deletes expired rows (only here: Authlib)
    berichtenbox    letters: deliver, list, read, download, mark
    access          the decision on every access (only here: Casbin)
    delegation      the machtiging: offer, accept, pause, revoke, return
    identity        login, session, organisation, level of assurance; recovery of forms after a login
    agencies        afzenders, their diensten, themes and sensitivity
    notifications   the outbox of e-mails to people; delivery failures
    audit           the journal: append-only, chained, signed, readable by the citizen
    crypto          key ring, signatures, encryption, MACs, pseudonyms (only here: cryptography and joserfc)
    web, storage    doors, rate limits, CORS, errors; connections, unit of work, row MACs, migrations
    dependencies    typed access to the services of the application behind a request
    supervision     background tasks: restarts and failure counts
    settings        read once from the environment, passed down as plain values
    kernel          numbers, periods, ids, errors, glossary: no I/O, no framework

"A helper reads one message", in six files, in this order:

    1. berichtenbox/routes.py  who may knock (a token with a machtiging) and what comes back
    2. access/bearer.py        token to Actor: signature, then token and machtiging as they stand now, one statement
    3. berichtenbox/read.py    find the envelope, ask the guard, open with the Permit
    4. access/guard.py         facts, Casbin, journal line, then a Permit or a refusal
    5. delegation/rules.py     in force at this instant? does the agreement cover this letter?
    6. audit/journal.py        one line in the same transaction, whatever the answer was
"""
