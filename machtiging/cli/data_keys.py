"""Count data keys per key-encryption key, and rewrap them with the newest (envelope encryption)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.cli.checks import Finding, Verdict
from machtiging.cli.database import service_sessions
from machtiging.cli.operator.who import operator
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.manifest import Kind, name_of
from machtiging.identity.rewrap import data_keys_by_version, rewrap_some
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work

_ROUNDS = 5
_SECONDS = 0.5
Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """The result of a rewrap: keys rewrapped, owners of unreadable keys, and counts per version."""

    count: int
    broken: frozenset[PersonId]
    by_version: Mapping[int, int]
    newest: int

    @property
    def left(self) -> int:
        """The number of data keys under an older key-encryption key."""
        return sum(count for version, count in self.by_version.items() if version != self.newest)


async def counted(settings: Settings) -> dict[int, int] | None:
    """Count the data keys per version of the key-encryption key. None when the database cannot be reached."""
    try:
        async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
            return await data_keys_by_version(session)
    except Fault:
        return None


async def _a_moment() -> None:
    await asyncio.sleep(_SECONDS)


async def rewrap(
    settings: Settings, size: int, tell: Callable[[int, int], None], pause: Callable[[], Awaitable[None]] = _a_moment
) -> Rewrapped:
    """Rewrap all data keys, `batch_size` per transaction. An interrupted run can be repeated safely.

    `pause` waits between two rounds, so that locked rows can be released.
    """
    keyring = KeyRing.load(settings.keys_dir)
    count, broken = 0, frozenset[PersonId]()
    async with service_sessions(settings) as sessions:
        outcome = Rewrapped(0, broken, await _by_version(sessions), keyring.kek_versions[-1])
        of = outcome.left
        for _ in range(_ROUNDS):
            after: PersonId | None = None
            while True:
                async with unit_of_work(sessions) as session:
                    at = SystemClock().now()
                    batch = await rewrap_some(session, keyring, after, at_most=size, at=at, by=operator())
                if batch.last is None:
                    break
                after, count, broken = batch.last, count + batch.rewrapped, broken | frozenset(batch.broken)
                tell(count, of)
            outcome = Rewrapped(count, broken, await _by_version(sessions), keyring.kek_versions[-1])
            if outcome.left <= len(broken):
                break
            await pause()  # a row was locked, or a worker with the older ring added one
    return outcome


async def _by_version(sessions: Sessions) -> dict[int, int]:
    async with unit_of_work(sessions) as session:
        return await data_keys_by_version(session)


def told(outcome: Rewrapped) -> list[str]:
    """Describe the result in sentences for the operator."""
    newest = name_of(Kind.KEK, outcome.newest)
    said = [f"{outcome.count} data keys wrapped by {newest}."]
    if outcome.broken:
        some = ", ".join(sorted(map(str, outcome.broken))[:5])
        said.append(f"{len(outcome.broken)} data keys do not open and stay as they are, of person {some}.")
    if (held := outcome.left - len(outcome.broken)) > 0:
        said.append(f"{held} data keys were in use or came in meanwhile. Run this again.")
        said.append("Workers that have their keys from the environment must be restarted first.")
    if not outcome.left:
        said.append(f"No data key of this database needs an older key than {newest} any more.")
        said.append("Keep the older ones until every worker has it (some seconds since the rotation, or restarted),")
        said.append("and as long as you keep a backup of the database from before.")
    return said


def finding(by_version: Mapping[int, int], versions: tuple[int, ...]) -> Finding:
    """Compare the versions in use with the key ring, for the doctor. Warns about data keys under an older key."""
    newest = name_of(Kind.KEK, versions[-1])
    if missing := sorted(set(by_version) - set(versions)):
        what = ", ".join(f"{by_version[version]} under {name_of(Kind.KEK, version)}" for version in missing)
        return Finding("data keys", Verdict.WRONG, f"{what}, which is not in the ring", "Restore it from your backup.")
    if older := {version: by_version[version] for version in sorted(by_version) if version != versions[-1]}:
        what = ", ".join(f"{count} under {name_of(Kind.KEK, version)}" for version, count in older.items())
        mend = "Run machtiging keys rewrap."
        return Finding("data keys", Verdict.ATTENTION, f"{what}, and {newest} wraps now", mend)
    return Finding("data keys", Verdict.OK, f"{by_version.get(versions[-1], 0)}, all under {newest}")
