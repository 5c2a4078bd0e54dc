"""Count data keys per key-encryption key, and rewrap them with the newest (envelope encryption)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.cli.database import open_service_sessions
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.cli.operator_name import get_operator_name
from machtiging.crypto.key_manifest import KeyKind, key_name
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_key_rotation import count_data_keys_by_version, rewrap_batch
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work

_MAX_ROUNDS = 5
_PAUSE_SECONDS = 0.5
SessionFactory = async_sessionmaker[AsyncSession]


@dataclass(frozen=True, slots=True)
class RewrapResult:
    """The result of a rewrap: keys rewrapped, owners of unreadable keys, and counts per version."""

    count: int
    unreadable: frozenset[UUID]
    by_version: Mapping[int, int]
    newest: int

    @property
    def remaining_count(self) -> int:
        """The number of data keys under an older key-encryption key."""
        return sum(count for version, count in self.by_version.items() if version != self.newest)


async def count_data_keys(settings: Settings) -> dict[int, int] | None:
    """Count the data keys per version of the key-encryption key. None when the database cannot be reached."""
    try:
        async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
            return await count_data_keys_by_version(session)
    except Fault:
        return None


async def _wait_between_rounds() -> None:
    await asyncio.sleep(_PAUSE_SECONDS)


async def rewrap_data_keys(
    settings: Settings,
    batch_size: int,
    on_progress: Callable[[int, int], None],
    pause: Callable[[], Awaitable[None]] = _wait_between_rounds,
) -> RewrapResult:
    """Rewrap all data keys, `batch_size` per transaction. An interrupted run can be repeated safely.

    `pause` waits between two rounds, so that locked rows can be released.
    """
    keyring = KeyRing.load(settings.keys_dir)
    count, broken = 0, frozenset[UUID]()
    async with open_service_sessions(settings) as sessions:
        outcome = RewrapResult(0, broken, await _count_by_version(sessions), keyring.kek_versions[-1])
        of = outcome.remaining_count
        for _ in range(_MAX_ROUNDS):
            after: UUID | None = None
            while True:
                async with unit_of_work(sessions) as session:
                    at = SystemClock().now()
                    batch = await rewrap_batch(
                        session, keyring, after, limit=batch_size, at=at, operator=get_operator_name()
                    )
                if batch.last is None:
                    break
                after, count, broken = batch.last, count + batch.rewrapped, broken | frozenset(batch.undecryptable)
                on_progress(count, of)
            outcome = RewrapResult(count, broken, await _count_by_version(sessions), keyring.kek_versions[-1])
            if outcome.remaining_count <= len(broken):
                break
            await pause()  # a row was locked, or a worker with the older ring added one
    return outcome


async def _count_by_version(sessions: SessionFactory) -> dict[int, int]:
    async with unit_of_work(sessions) as session:
        return await count_data_keys_by_version(session)


def describe_rewrap(outcome: RewrapResult) -> list[str]:
    """Describe the result in sentences for the operator."""
    newest = key_name(KeyKind.KEK, outcome.newest)
    lines = [f"{outcome.count} data keys wrapped by {newest}."]
    if outcome.unreadable:
        some = ", ".join(sorted(map(str, outcome.unreadable))[:5])
        lines.append(f"{len(outcome.unreadable)} data keys do not open and stay as they are, of party {some}.")
    if (waiting_count := outcome.remaining_count - len(outcome.unreadable)) > 0:
        lines.append(f"{waiting_count} data keys were in use or came in meanwhile. Run this again.")
        lines.append("Workers that have their keys from the environment must be restarted first.")
    if not outcome.remaining_count:
        lines.append(f"No data key of this database needs an older key than {newest} any more.")
        lines.append("Keep the older ones until every worker has it (some seconds since the rotation, or restarted),")
        lines.append("and as long as you keep a backup of the database from before.")
    return lines


def check_data_keys(by_version: Mapping[int, int], versions: tuple[int, ...]) -> Finding:
    """Compare the versions in use with the key ring, for the doctor. Warns about data keys under an older key."""
    newest = key_name(KeyKind.KEK, versions[-1])
    if missing := sorted(set(by_version) - set(versions)):
        what = ", ".join(f"{by_version[version]} under {key_name(KeyKind.KEK, version)}" for version in missing)
        return Finding(
            "data keys", FindingStatus.WRONG, f"{what}, which is not in the ring", "Restore it from your backup."
        )
    if older := {version: by_version[version] for version in sorted(by_version) if version != versions[-1]}:
        what = ", ".join(f"{count} under {key_name(KeyKind.KEK, version)}" for version, count in older.items())
        mend = "Run machtiging keys rewrap."
        return Finding("data keys", FindingStatus.ATTENTION, f"{what}, and {newest} wraps now", mend)
    return Finding("data keys", FindingStatus.OK, f"{by_version.get(versions[-1], 0)}, all under {newest}")
