"""Detect schema drift in the protection of the journal: triggers, privileges, constraints.

The hash chain shows changed lines. This shows changes that would let somebody alter, hide or drop lines unseen. A
superuser can falsify every answer of the database. Only a head stored elsewhere is independent of the superuser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from machtiging.audit.protection.declared import DECLARED

# Names are qualified, so that no object in the caller's search path can hide the catalogue.
_FOUND = text(
    """
WITH ours AS (
    SELECT c.*, c.relname::text AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.relnamespace AND n.nspname = 'public'
    WHERE c.relname IN ('journal', 'journal_intake', 'journal_head', 'sealing_turn')
), roles AS (
    SELECT r.*, r.rolname::text AS name FROM pg_catalog.pg_roles r
    WHERE r.rolname IN ('machtiging_owner', 'machtiging_service', 'machtiging_sealer')
)
SELECT 'table ' || name AS subject, concat_ws(' ', 'kind', relkind::text, 'persistence', relpersistence::text,
    'owner', pg_catalog.pg_get_userbyid(relowner), CASE WHEN relispartition THEN 'partition' END) AS state FROM ours
UNION ALL
SELECT 'row-level security on ' || name, 'on' FROM ours WHERE relrowsecurity OR relforcerowsecurity
UNION ALL
SELECT 'policy ' || polname || ' on ' || name, 'there' FROM ours JOIN pg_catalog.pg_policy p ON p.polrelid = ours.oid
UNION ALL
SELECT 'column ' || name || '.' || attname, concat_ws(' ', pg_catalog.format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN 'not null' END, 'default ' || pg_catalog.pg_get_expr(adbin, adrelid),
    nullif(attgenerated::text, ''), nullif(attidentity::text, ''))
FROM ours JOIN pg_catalog.pg_attribute a ON a.attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint ' || conname || ' on ' || name, pg_catalog.pg_get_constraintdef(k.oid)
FROM ours JOIN pg_catalog.pg_constraint k ON k.conrelid = ours.oid AND k.contype <> 'n'
UNION ALL
SELECT 'index of ' || conname || ' on ' || name, 'not valid' FROM ours
JOIN pg_catalog.pg_constraint k ON k.conrelid = ours.oid
JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid WHERE NOT (indisvalid AND indisready AND indislive)
UNION ALL
SELECT 'trigger ' || tgname || ' on ' || name, concat_ws(' ', CASE tgenabled WHEN 'O' THEN 'enabled' WHEN 'D'
    THEN 'disabled' ELSE 'enabled ' || tgenabled::text END, 'type', tgtype, 'runs', n.nspname || '.' || proname,
    'when ' || pg_catalog.pg_get_expr(tgqual, tgrelid), 'of ' || nullif(tgattr::text, ''))
FROM ours JOIN pg_catalog.pg_trigger t ON t.tgrelid = ours.oid AND NOT tgisinternal
JOIN pg_catalog.pg_proc p ON p.oid = tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
UNION ALL
SELECT 'function ' || proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
    concat_ws(' ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(prosrc, 'UTF8')), 'hex'), lanname,
    'owner', pg_catalog.pg_get_userbyid(proowner), pg_catalog.array_to_string(proconfig, '; '),
    CASE WHEN prosecdef THEN 'security definer' END)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace AND n.nspname = 'public'
JOIN pg_catalog.pg_language l ON l.oid = prolang WHERE proname IN ('journal_is_append_only', 'journal_line_moves_only')
UNION ALL
SELECT 'rule ' || rulename || ' on ' || name, 'there'
FROM ours JOIN pg_catalog.pg_rewrite r ON r.ev_class = ours.oid AND rulename <> '_RETURN'
UNION ALL
SELECT 'inheritance of ' || name, 'there' FROM ours JOIN pg_catalog.pg_inherits i ON ours.oid IN (inhrelid, inhparent)
UNION ALL
SELECT 'right of ' || coalesce(r.rolname, 'PUBLIC') || ' on ' || name || ': ' || privilege_type,
    CASE WHEN is_grantable THEN 'may pass it on' ELSE 'there' END
FROM ours, pg_catalog.aclexplode(relacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = grantee
WHERE grantee <> relowner
UNION ALL
SELECT 'right of ' || coalesce(r.rolname, 'PUBLIC') || ' on column ' || name || '.' || attname || ': '
    || privilege_type, 'there'
FROM ours JOIN pg_catalog.pg_attribute a ON a.attrelid = ours.oid, pg_catalog.aclexplode(attacl) x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = grantee
UNION ALL
SELECT 'right of ' || coalesce(r.rolname, 'PUBLIC') || ' on schema public: CREATE', 'there'
FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(nspacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = grantee
WHERE nspname = 'public' AND privilege_type = 'CREATE'
AND (grantee = 0 OR r.rolname IN ('machtiging_service', 'machtiging_sealer'))
UNION ALL
SELECT 'right of ' || coalesce(r.rolname, 'PUBLIC') || ' on the database: ' || privilege_type, 'there'
FROM pg_catalog.pg_database d,
    pg_catalog.aclexplode(coalesce(datacl, pg_catalog.acldefault('d', datdba))) x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = grantee WHERE datname = pg_catalog.current_database()
AND privilege_type IN ('TEMPORARY', 'CREATE') AND (grantee = 0 OR r.rolname IN (SELECT name FROM roles))
UNION ALL
SELECT 'role ' || name, concat_ws(' ', 'there', CASE WHEN rolsuper THEN 'superuser' END,
    CASE WHEN rolbypassrls THEN 'bypassrls' END, CASE WHEN rolcreaterole THEN 'createrole' END,
    CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolreplication THEN 'replication' END) FROM roles
UNION ALL
SELECT 'membership of ' || name || ' in ' || pg_catalog.pg_get_userbyid(roleid), 'there'
FROM roles JOIN pg_catalog.pg_auth_members m ON m.member = roles.oid
UNION ALL
SELECT 'setting ' || split_part(one, '=', 1) || ' of ' || coalesce(pg_catalog.pg_get_userbyid(nullif(setrole, 0)),
    'everybody'), one
FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(setconfig) one
WHERE split_part(one, '=', 1) IN ('session_replication_role', 'search_path', 'row_security', 'role')
AND (setdatabase = 0 OR setdatabase = (SELECT oid FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database()))
UNION ALL
SELECT 'another relation ' || n.nspname || '.' || relname, 'there'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE relname IN ('journal', 'journal_intake', 'journal_head', 'sealing_turn') AND nspname <> 'public'
AND (nspname = ANY (pg_catalog.current_schemas(true)) OR nspname LIKE 'pg_temp%' OR nspname IN (SELECT name FROM roles))
"""
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """A difference with the baseline. `found` or `expected` is None if that side does not have it."""

    subject: str
    found: str | None
    declared: str | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.subject}: is missing."
        if self.declared is None:
            return f"{self.subject}: should not be there ({self.found})."
        return f"{self.subject}: is not as it was made ({self.found})."


async def load_protection(connection: AsyncConnection) -> dict[str, str]:
    """Load the current protection from the system catalogue, by subject. Any role may do this."""
    return {row.subject: row.state for row in await connection.execute(_FOUND)}


def deviations(found: Mapping[str, str], declared: Mapping[str, str] = DECLARED) -> list[Deviation]:
    """Return all missing, extra and different items, by name."""
    subjects: Iterable[str] = sorted(found.keys() | declared.keys())
    return [
        Deviation(subject, found.get(subject), declared.get(subject))
        for subject in subjects
        if found.get(subject) != declared.get(subject)
    ]
