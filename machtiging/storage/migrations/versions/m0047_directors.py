"""Directors of businesses: an event of the trade register represents an organisation (BW 2:130 and 2:240)."""

from __future__ import annotations

from machtiging.storage.migrations.script import run_script

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_CAPACITIES = "'relative', 'professional', 'curator', 'bewindvoerder', 'mentor', 'parent'"
_EVENT_KINDS = "'curatele', 'bewind', 'mentorschap', 'ouderlijk_gezag'"
_RELATION_KINDS = f"{_EVENT_KINDS}, 'voogdij', 'wsnp', 'faillissement'"


def _replace_check(table: str, column: str, words: str) -> str:
    name = f"{table}_{column}_check"
    return f"""ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK ({column} IN ({words}));
"""


# A director comes from a register and represents an organisation; nothing hangs under it.
UP = (
    _replace_check("machtiging", "capacity", f"{_CAPACITIES}, 'bestuurder'")
    + _replace_check("register_event", "kind", f"{_EVENT_KINDS}, 'bestuurder'")
    + _replace_check("statutory_relation", "kind", f"{_RELATION_KINDS}, 'bestuurder'")
    + """
ALTER TABLE machtiging ADD CONSTRAINT machtiging_of_director_has_no_parent CHECK (
    capacity <> 'bestuurder' OR parent_id IS NULL AND gemachtigde_id IS NOT NULL);
ALTER TABLE register_event
    DROP CONSTRAINT register_event_vertegenwoordigde_id_fkey,
    ADD CONSTRAINT register_event_vertegenwoordigde_id_fkey FOREIGN KEY (vertegenwoordigde_id) REFERENCES party;
"""
)
_KEEP_DIRECTORS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM machtiging WHERE capacity = 'bestuurder')
       OR EXISTS (SELECT FROM register_event WHERE kind = 'bestuurder')
       OR EXISTS (SELECT FROM statutory_relation WHERE kind = 'bestuurder') THEN
        RAISE EXCEPTION 'directors would be lost: the older schema cannot hold them';
    END IF;
END $$;
ALTER TABLE register_event
    DROP CONSTRAINT register_event_vertegenwoordigde_id_fkey,
    ADD CONSTRAINT register_event_vertegenwoordigde_id_fkey FOREIGN KEY (vertegenwoordigde_id) REFERENCES person;
ALTER TABLE machtiging DROP CONSTRAINT machtiging_of_director_has_no_parent;
"""
DOWN = "".join(
    (
        _KEEP_DIRECTORS,
        _replace_check("machtiging", "capacity", _CAPACITIES),
        _replace_check("register_event", "kind", _EVENT_KINDS),
        _replace_check("statutory_relation", "kind", _RELATION_KINDS),
    )
)


def upgrade() -> None:
    """Build."""
    run_script(UP)


def downgrade() -> None:
    """Take it back."""
    run_script(DOWN)
