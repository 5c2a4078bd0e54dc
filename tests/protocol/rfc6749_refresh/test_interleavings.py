"""Property test: any order of refresh, replay, revocation, pause and end keeps two promises.

At most one refresh token is active, and after a replay nothing of the family is. Hypothesis draws the orders. Each is
played on a consent of its own.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from machtiging.delegation import pause, termination
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.rows import GRANTS, ISSUED_TOKENS, REFRESH_TOKENS
from tests.builders.tokens import RefreshTokenHolder, make_refresh_token_holder, register_refreshing_app

STEPS = [
    "refresh",
    "refresh",
    "refresh",
    "refresh too much",
    "replay",
    "look",
    "pause",
    "resume",
    "later",
    "much later",
]
ENDING_STEPS = ["revoke the token", "revoke the access token", "end the grant", "revoke the machtiging"]


@dataclass
class Story:
    """The model: the state that the server must have."""

    holder: RefreshTokenHolder
    newest: str
    used: list[str] = field(default_factory=list)
    ended: bool = False
    paused: bool = False

    async def take(self, step: str) -> None:
        await getattr(self, "_" + step.replace(" ", "_"))()
        grant, at = self.holder.grant_id, self.holder.oauth.clock.now()
        if await GRANTS.count(self.holder.oauth, id=grant, ended_at=None):
            fresh = REFRESH_TOKENS.c.expires_at > at
            assert await REFRESH_TOKENS.count(self.holder.oauth, fresh, grant_id=grant, used_at=None) <= 1, step
        assert (await self.holder.ended() is not None) == self.ended, step
        if self.ended:
            assert await ISSUED_TOKENS.count(self.holder.oauth, grant_id=grant, revoked_at=None) == 0, step
            assert (await self.holder.refresh(self.newest)).status_code == 400, step

    async def _refresh(self) -> None:
        live = await self.holder.active(self.newest)
        answer = await self.holder.refresh(self.newest)
        assert (answer.status_code == 200) == live == (not (self.ended or self.paused or await self._expired()))
        if live:
            self.used.append(self.newest)
            self.newest = answer.json()["refresh_token"]

    async def _expired(self) -> bool:
        ends = await REFRESH_TOKENS.read_value(
            self.holder.oauth, "expires_at", grant_id=self.holder.grant_id, used_at=None
        )
        return ends <= self.holder.oauth.clock.now()

    async def _refresh_too_much(self) -> None:
        assert (await self.holder.refresh(self.newest, scope="openid email")).status_code == 400

    async def _replay(self) -> None:
        if self.used:
            assert (await self.holder.refresh(self.used[len(self.used) // 2])).status_code == 400
            self.ended = True

    async def _look(self) -> None:
        for token in self.used:
            assert not await self.holder.active(token)

    async def _pause(self) -> None:
        if not self.paused and not self.ended:
            await self.holder.change(pause.pause_machtiging)
            self.paused = True

    async def _resume(self) -> None:
        if self.paused and not self.ended:
            await self.holder.change(pause.resume_machtiging)
            self.paused = False

    async def _later(self) -> None:
        self.holder.oauth.later(hours=2)

    async def _much_later(self) -> None:
        self.holder.oauth.later(hours=5)

    async def _revoke_the_token(self) -> None:
        await self.holder.app.post("/revoke", {"token": self.newest})
        self.ended = True

    async def _revoke_the_access_token(self) -> None:
        answer = await self.holder.refresh(self.newest)
        if answer.status_code == 200:
            self.used.append(self.newest)
            self.newest = answer.json()["refresh_token"]
            await self.holder.app.post("/revoke", {"token": answer.json()["access_token"]})
            self.ended = True

    async def _end_the_grant(self) -> None:
        async with unit_of_work(self.holder.oauth.sessions) as session:
            await end_grant(
                session, BOX_HANDLER, self.holder.grant_id, GrantEnding("proef"), at=self.holder.oauth.clock.now()
            )
        self.ended = True

    async def _revoke_the_machtiging(self) -> None:
        await self.holder.change(termination.revoke_machtiging)
        await self._end_the_grant()


def drawn(programs: int) -> list[list[str]]:
    found: list[list[str]] = []

    @settings(
        max_examples=programs,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.sampled_from(STEPS), min_size=4, max_size=9), st.sampled_from([*ENDING_STEPS, "replay", "look"]))
    def draw(steps: list[str], last: str) -> None:
        found.append([*steps, last])

    draw()
    return found


@pytest.mark.parametrize("many", [4, pytest.param(20, marks=pytest.mark.whole)])
async def test_no_order_leaves_two_active_refresh_tokens_or_survives_reuse(oauth, many):
    app = await register_refreshing_app(oauth)
    programs = drawn(many)
    assert sum("replay" in steps for steps in programs) > many // 6
    for steps in programs:
        holder = await make_refresh_token_holder(oauth, app)
        story = Story(holder, holder.refresh_token)
        for number, step in enumerate(steps):
            try:
                await story.take(step)
            except AssertionError as error:
                raise AssertionError(f"{steps[: number + 1]}: {error}") from error
