"""Every setting, read once from the environment (prefix `MACHTIGING_`) and passed down as plain values."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    """Where this installation runs: what is handy while developing is refused in production."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else: 127.0.0.0/8, ::1, localhost and what is under it (RFC 6761)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


class Settings(BaseSettings):
    """One installation. Each field can be set as `MACHTIGING_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="MACHTIGING_", extra="ignore", frozen=True)

    env: Environment = Field(default=Environment.DEVELOPMENT, description="development, test or production")
    issuer: str = Field(default="http://localhost:8000", description="the public URL of this service, without a slash")
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on")
    database_url: str | None = Field(default=None, description="PostgreSQL 15 or later; unset: an embedded one")
    owner_database_url: str | None = Field(default=None, description="the login that migrates; unset: database_url")
    sealer_database_url: str | None = Field(default=None, description="the login that seals; unset: database_url")
    database_pool_size: int = Field(default=10, ge=2, le=200, description="connections per process")
    reserved_connections: int = Field(
        default=2, ge=1, le=20, description="of those, for logging in, pausing and revoking only; never all of them"
    )
    data_dir: Path = Field(default=Path(".data"), description="where the embedded PostgreSQL lives")
    keys_dir: Path = Field(default=Path("keys"), description="the key ring")
    policies_dir: Path = Field(default=Path("policies"), description="model.conf and the policy rows")
    broker_issuer: str = Field(default="http://localhost:8001", description="the OpenID provider people log in with")
    broker_client_id: str = Field(default="machtiging", description="what that provider calls us")
    broker_timeout_seconds: float = Field(
        default=10, ge=1, le=30, description="how long one answer of that provider may take, from first to last byte"
    )
    broker_wait_seconds: float = Field(
        default=5, ge=0.5, le=30, description="how long to wait for its connection, and for each piece of its answer"
    )
    simulator_port: int = Field(
        default=8001, ge=0, le=65535, description="the port of the login stand-in (never in production)"
    )
    smtp_host: str = Field(default="127.0.0.1", description="the mail server")
    smtp_port: int = Field(default=8025, ge=0, le=65535, description="its port")
    smtp_starttls: bool = Field(default=False, description="require STARTTLS")
    mail_from: str = Field(default="Machtigen <niet-antwoorden@machtigen.example>", description="who mails come from")
    maximum_days: int = Field(default=365, ge=1, le=1826, description="the longest machtiging, in days")
    code_valid_days: int = Field(default=30, ge=1, le=90, description="how long a machtigingscode can be used")
    session_idle_minutes: int = Field(default=15, ge=1, le=60, description="a quiet session ends after this")
    session_hours: int = Field(default=8, ge=1, le=24, description="any session ends after this")
    access_token_seconds: int = Field(default=600, ge=60, le=3600, description="how long an access token lives")
    journal_head_file: Path | None = Field(
        default=None, description="where the sealer keeps its last signed head, on another disk than the database's"
    )
    journal_head_url: str | None = Field(
        default=None, pattern="^https://", description="an https address to which the sealer POSTs each signed head"
    )
    allowed_fetch_networks: str = Field(
        default="", description="networks where clients' sites may be although they are not public: 10.1.0.0/16, ..."
    )
    fetch_ca_file: Path | None = Field(
        default=None, description="further authorities (PEM) for clients' sites, such as a private root"
    )

    trusted_proxies: str = Field(
        default="", description="proxies whose Client-Cert header is believed (RFC 9440): 10.0.0.5, 10.2.0.0/24, ..."
    )
    forwarding_proxies: str = Field(
        default="",
        description="proxies that say whose request it is, besides trusted_proxies: 127.0.0.1, 10.2.0.0/24, ...",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for", description="the header in which those proxies say it; the other one is not read"
    )
    token_requests_in_flight: int = Field(default=20, ge=1, le=10_000, description="at once, with one access token")
    token_requests_per_minute: int = Field(default=1_200, ge=1, le=10_000_000, description="with one access token")
    person_requests_in_flight: int = Field(default=40, ge=1, le=10_000, description="at once, of one person")
    person_requests_per_minute: int = Field(default=2_400, ge=1, le=10_000_000, description="of one person")
    address_requests_in_flight: int = Field(
        default=200, ge=1, le=10_000, description="at once, from one address (IPv6: /64), without token or session"
    )
    address_requests_per_minute: int = Field(
        default=12_000, ge=1, le=10_000_000, description="from one address (IPv6: /64), without token or session"
    )
    processes: int = Field(
        default=1, ge=1, le=1_000, description="how many share these limits, on all machines; serve --workers counts"
    )

    client_ca_file: Path | None = Field(
        default=None, description="authorities (PEM) that vouch for certificates of clients (tls_client_auth)"
    )

    mtls_url: str | None = Field(
        default=None, description="where clients with a certificate come, if that is not the issuer's own address"
    )

    @field_validator("allowed_fetch_networks", "trusted_proxies", "forwarding_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in text.split(","):
            if part.strip():
                ipaddress.ip_network(part.strip())
        return text

    @property
    def maximum_length(self) -> timedelta:
        """The longest a machtiging may last."""
        return timedelta(days=self.maximum_days)
