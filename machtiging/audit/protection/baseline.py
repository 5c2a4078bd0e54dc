"""The baseline: tables, functions, privileges and roles as the migrations create them.

A test compares it with a fresh database.
"""

from __future__ import annotations

from collections.abc import Mapping

BASELINE: Mapping[str, str] = {
    "column journal.act": "text not null",
    "column journal.actor_id": "uuid",
    "column journal.capacity": "text",
    "column journal.client_id": "text",
    "column journal.facts": "jsonb not null",
    "column journal.for_person_id": "uuid",
    "column journal.format": "smallint not null default 1",
    "column journal.hash": "bytea not null",
    "column journal.id": "uuid not null",
    "column journal.machtiging_id": "uuid",
    "column journal.object_id": "text",
    "column journal.object_kind": "text",
    "column journal.occurred_at": "timestamp with time zone not null",
    "column journal.on_behalf_of": "uuid",
    "column journal.outcome": "text not null",
    "column journal.policy_digest": "text",
    "column journal.previous_hash": "bytea not null",
    "column journal.reason": "text not null",
    "column journal.request_id": "text not null",
    "column journal.seq": "bigint not null",
    "column journal.trace_id": "text",
    "column journal_head.hash": "bytea not null",
    "column journal_head.seq": "bigint not null",
    "column journal_head.signature": "text not null",
    "column journal_head.signed_at": "timestamp with time zone not null",
    "column journal_intake.act": "text not null",
    "column journal_intake.actor_id": "uuid",
    "column journal_intake.capacity": "text",
    "column journal_intake.client_id": "text",
    "column journal_intake.facts": "jsonb not null",
    "column journal_intake.for_person_id": "uuid",
    "column journal_intake.format": "smallint not null default 1",
    "column journal_intake.id": "uuid not null",
    "column journal_intake.intake_number": "bigint not null a",
    "column journal_intake.machtiging_id": "uuid",
    "column journal_intake.object_id": "text",
    "column journal_intake.object_kind": "text",
    "column journal_intake.occurred_at": "timestamp with time zone not null",
    "column journal_intake.on_behalf_of": "uuid",
    "column journal_intake.outcome": "text not null",
    "column journal_intake.policy_digest": "text",
    "column journal_intake.reason": "text not null",
    "column journal_intake.request_id": "text not null",
    "column journal_intake.trace_id": "text",
    "column sealing_turn.only_one": "boolean not null",
    "constraint journal_format_check on journal": "CHECK ((format > 0))",
    "constraint journal_format_columns_check on journal": (
        "CHECK (((format > 1) OR ((on_behalf_of IS NULL) AND (trace_id IS NULL))))"
    ),
    "constraint journal_hash_check on journal": "CHECK ((octet_length(hash) = 32))",
    "constraint journal_head_hash_check on journal_head": "CHECK ((octet_length(hash) = 32))",
    "constraint journal_head_pkey on journal_head": "PRIMARY KEY (seq)",
    "constraint journal_intake_act_check on journal_intake": "CHECK ((act <> ''::text))",
    "constraint journal_intake_format_check on journal_intake": "CHECK ((format > 0))",
    "constraint journal_intake_format_columns_check on journal_intake": (
        "CHECK (((format > 1) OR ((on_behalf_of IS NULL) AND (trace_id IS NULL))))"
    ),
    "constraint journal_intake_outcome_check on journal_intake": (
        "CHECK ((outcome = ANY (ARRAY['done'::text, 'allowed'::text, 'refused'::text])))"
    ),
    "constraint journal_intake_pkey on journal_intake": "PRIMARY KEY (id)",
    "constraint journal_intake_reason_check on journal_intake": "CHECK ((reason <> ''::text))",
    "constraint journal_intake_trace_id_check on journal_intake": "CHECK ((octet_length(trace_id) = 32))",
    "constraint journal_pkey on journal": "PRIMARY KEY (id)",
    "constraint journal_previous_hash_check on journal": "CHECK ((octet_length(previous_hash) = 32))",
    "constraint journal_seq_check on journal": "CHECK ((seq > 0))",
    "constraint journal_seq_key on journal": "UNIQUE (seq)",
    "constraint journal_trace_id_check on journal": "CHECK ((octet_length(trace_id) = 32))",
    "constraint sealing_turn_only_one_check on sealing_turn": "CHECK (only_one)",
    "constraint sealing_turn_pkey on sealing_turn": "PRIMARY KEY (only_one)",
    "function journal_is_append_only()": (
        "15481752dffdcd010581c6b06f736200e30089ce0bf924280292bc3d75b2d6de plpgsql owner "
        "machtiging_owner search_path=pg_catalog, public, pg_temp"
    ),
    "function journal_line_moves_only()": (
        "529dedda6c54fefae47bc2e68b51181269eec61f98de7ac241e0e132ed75861d plpgsql owner "
        "machtiging_owner search_path=pg_catalog, public, pg_temp"
    ),
    "right of machtiging_sealer on journal: INSERT": "there",
    "right of machtiging_sealer on journal: SELECT": "there",
    "right of machtiging_sealer on journal_head: INSERT": "there",
    "right of machtiging_sealer on journal_head: SELECT": "there",
    "right of machtiging_sealer on journal_intake: DELETE": "there",
    "right of machtiging_sealer on journal_intake: SELECT": "there",
    "right of machtiging_sealer on sealing_turn: UPDATE": "there",
    "right of machtiging_service on journal: SELECT": "there",
    "right of machtiging_service on journal_head: SELECT": "there",
    "right of machtiging_service on journal_intake: INSERT": "there",
    "right of machtiging_service on journal_intake: SELECT": "there",
    "role machtiging_owner": "there",
    "role machtiging_sealer": "there",
    "role machtiging_service": "there",
    "table journal": "kind r persistence p owner machtiging_owner",
    "table journal_head": "kind r persistence p owner machtiging_owner",
    "table journal_intake": "kind r persistence p owner machtiging_owner",
    "table sealing_turn": "kind r persistence p owner machtiging_owner",
    "trigger append_only on journal": "enabled type 27 runs public.journal_is_append_only",
    "trigger append_only on journal_head": "enabled type 27 runs public.journal_is_append_only",
    "trigger append_only on journal_intake": "enabled type 19 runs public.journal_is_append_only",
    "trigger moves_only on journal_intake": "enabled type 11 runs public.journal_line_moves_only",
    "trigger no_truncate on journal": "enabled type 34 runs public.journal_is_append_only",
    "trigger no_truncate on journal_head": "enabled type 34 runs public.journal_is_append_only",
    "trigger no_truncate on journal_intake": "enabled type 34 runs public.journal_is_append_only",
}
