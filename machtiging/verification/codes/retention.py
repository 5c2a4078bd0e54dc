"""Retention of verification codes: ninety days after their life. Failed tries: an hour."""

from __future__ import annotations

from datetime import timedelta

from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, Sweep
from machtiging.verification.codes.code_tries import TRY_WINDOW
from machtiging.verification.codes.tables import VerificationCodeRow, VerificationCodeTry

CODE_RETENTION = timedelta(days=90)
_CODE, _TRY = table_of(VerificationCodeRow), table_of(VerificationCodeTry)
expired_codes_sweep = Sweep(
    (_CODE, _CODE.c.expires_at < SWEEP_AT - CODE_RETENTION),
    (_TRY, _TRY.c.tried_at < SWEEP_AT - TRY_WINDOW),
    batch_size=500,
)
