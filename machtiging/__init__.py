"""Machtigingen on the Berichtenbox: who may read whose post. Decided on every access, visible to the citizen.

The map lists the packages from the outside to the inside. A package imports only from lines below its own. Packages on
one line are strangers: they do not import each other.

    __main__        starts the command line
    cli             the command line: serve, work, demo, migrate, keys, policy, audit, doctor
    app             assembly of the application
    journalled_tables  the tables whose rows stand in the journal as a whole, and are compared with it
    simulators      login broker and mail catcher for practice, never in production
    portal, health, worker  pages for citizen and helper; liveness and readiness; the loops that need no request
    berichtenbox    letters: deliver, list, read, download, mark; what OAuth may give of a box
    registers       events of registers about representation by law or court: API and signed file
    verification    agencies verify: may somebody act for somebody, with a signed answer; codes; AuthZEN
    oauth, access   tokens, clients, consents; deletes expired rows (only here: Authlib); the decision on every access
                    (only here: Casbin)
    delegation, access_tokens  the machtiging: offer, accept, pause, revoke, return; access tokens: their rows, sender
                    constraint and revocation
    tasks           heartbeats of the workers
    organisations   organisations: recognition by two operators, employees, teams, stand-ins
    identity        login, session, organisation, level of assurance; recovery of forms after a login
    agencies        afzenders, their diensten, themes and sensitivity
    notifications   the outbox of e-mails to people; delivery failures
    audit           the journal: append-only, chained, signed, readable by the citizen
    crypto          key ring, signatures, encryption, MACs, pseudonyms (only here, besides the demo and the
                    simulators: cryptography and joserfc)
    web, storage, documents  doors, rate limits, CORS, errors; connections, unit of work, row MACs, migrations; PDF
                    documents and QR codes (only here: typst and segno)
    dependencies    typed access to the services of the application behind a request
    message_catalogue  the Dutch and English sentences for people, by key (locale/)
    supervision     background tasks: restarts and failure counts
    settings        read once from the environment, passed down as plain values; all but the secrets of the keys
    operator_content  help telephone, help points and planned changes of an installation, from the operator's files
    kernel          numbers, periods, ids, errors, glossary: no I/O, no framework

A door is a route dependency that says who may call the route (`web/doors.py`).

"A helper reads one letter" is the main act: `GET /api/v1/berichten/{id}`. Read these eight files in this order, each
from the function named beside it:

    1. berichtenbox/read_route.py  _respond_with_bericht            the route: token, letter, answer
    2. access/bearer.py            authenticate_user_token          check the token, build the Actor
    3. berichtenbox/queries.py     TokenAndEnvelopeQuery.__call__   token, machtiging and envelope in one statement
    4. berichtenbox/reader.py      read_bericht                     ask the guard, decrypt with its Permit
    5. access/guard.py             issue_permit_and_fetch           decide, journal, then a Permit or a refusal
    6. access/verdict.py           evaluate_access                  the facts for Casbin, the reason of a refusal
    7. delegation/authority/rules.py  Authority.stop_reason         does the chain stand, and if not which link says no?
    8. audit/journal.py            build_journal_line_params        the journal line, in the statement that reads

The request also runs code in the files below. You can skip them at first. Each does one small part for the eight files
above, or work that every request needs.

    around every request     web/headers.py, web/http_methods/cors.py, web/http_methods/head.py, web/errors/handlers.py,
                             web/rate_limit/middleware.py, web/rate_limit/callers.py, web/rate_limit/limiter.py,
                             web/body_limits.py, web/direct_routes.py, web/framework_internals.py,
                             web/content_negotiation.py, web/correlation_ids.py, web/structured_logging.py,
                             web/language.py, message_catalogue.py, kernel/commits.py
    services of the request  dependencies.py, access/dependencies.py, access_tokens/dependencies.py
    signature and token row  crypto/keyring.py, crypto/own_tokens.py, crypto/jose.py, crypto/key_manifest.py,
                             crypto/key_operations.py, access/token_lookup.py, access_tokens/bearer.py,
                             access_tokens/tokens.py, access_tokens/issued_token.py, access_tokens/representation.py,
                             access_tokens/sender_constraint/binding.py,
                             access_tokens/sender_constraint/token_claims.py
    MAC of the token row     audit/row_authentication.py, storage/row_mac.py, crypto/row_mac.py
    database connection      storage/autocommit.py, storage/statement.py, storage/unit_of_work.py,
                             storage/connections/guard.py
    parts of the decision    access/actor.py, access/policy_engine.py, access/policy_request.py, access/permit.py,
                             delegation/authority/queries.py, delegation/authority/memberships.py,
                             delegation/rules.py, delegation/queries.py,
                             agencies/rules.py
    decryption               identity/data_keys.py, crypto/envelope_encryption.py
    values                   berichtenbox/rules.py, kernel/assurance.py, kernel/clock.py, kernel/ids.py,
                             kernel/period.py
"""
