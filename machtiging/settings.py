"""The settings, read once from the environment (prefix `MACHTIGING_`)."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_MAIL_ADDRESS = r"^[^@\s<>]+@[^@\s<>]+$"


class Environment(StrEnum):
    """The kind of installation. Production refuses settings that help development."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def is_loopback(host: str) -> bool:
    """Return true for 127.0.0.0/8, ::1, localhost and names under localhost (RFC 6761)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


class Settings(BaseSettings):
    """The settings of one installation. Each field is the variable `MACHTIGING_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="MACHTIGING_", extra="ignore", frozen=True)

    env: Environment = Field(default=Environment.DEVELOPMENT, description="development, test or production")
    issuer: str = Field(default="http://localhost:8000", description="the public URL of this service, without a slash")
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on")
    database_url: str | None = Field(default=None, description="PostgreSQL 15 or later; unset: an embedded server")
    owner_database_url: str | None = Field(
        default=None, description="the database login for migrations; unset: database_url"
    )
    sealer_database_url: str | None = Field(
        default=None, description="the database login that seals the journal; unset: database_url"
    )
    database_pool_size: int = Field(default=10, ge=2, le=200, description="connections per process")
    reserved_connections: int = Field(
        default=2, ge=1, le=20, description="the part of the pool only for login, pause and revocation; never all of it"
    )
    worker_inside: bool = Field(
        default=True, description="whether serve starts one worker itself; false: run machtiging work beside it"
    )
    data_dir: Path = Field(default=Path(".data"), description="the folder of the embedded PostgreSQL")
    keys_dir: Path = Field(default=Path("keys"), description="the folder of the key ring")
    policies_dir: Path = Field(default=Path("policies"), description="the folder of model.conf and the policy rows")
    broker_issuer: str = Field(
        default="http://localhost:8001", description="the issuer of the OpenID provider for logins"
    )
    broker_client_id: str = Field(default="machtiging", description="our client_id at that provider")
    broker_timeout_seconds: float = Field(
        default=10, ge=1, le=30, description="the time limit in seconds for one whole answer of that provider"
    )
    broker_wait_seconds: float = Field(
        default=5, ge=0.5, le=30, description="the time limit in seconds for a connection and for each read"
    )
    simulator_port: int = Field(
        default=8001, ge=0, le=65535, description="the port of the login simulator (never in production)"
    )
    smtp_host: str = Field(default="127.0.0.1", description="the mail server")
    smtp_port: int = Field(default=8025, ge=0, le=65535, description="the port of the mail server")
    smtp_starttls: bool = Field(default=False, description="require STARTTLS")
    mail_from: str = Field(default="Machtigen <niet-antwoorden@machtigen.example>", description="the sender of e-mails")
    service_owner: str | None = Field(
        default=None, min_length=2, max_length=200, description="the organisation responsible for this service"
    )
    help_phone: str | None = Field(
        default=None,
        pattern=r"^\+?[0-9][0-9 -]{3,24}$",
        description="the telephone number for help, on pages and in mails",
    )
    help_hours: str | None = Field(
        default=None, min_length=3, max_length=200, description="the hours of that number, in Dutch"
    )
    help_hours_en: str | None = Field(
        default=None, min_length=3, max_length=200, description="the hours of that number, in English"
    )
    help_points_file: Path | None = Field(default=None, description="the YAML file of places where people get help")
    service_changes_file: Path | None = Field(
        default=None, description="the YAML file of what changes in the service, and what cannot and why"
    )
    accessibility_email: str | None = Field(
        default=None, pattern=_MAIL_ADDRESS, description="where people report a page that they cannot use"
    )
    privacy_email: str | None = Field(
        default=None, pattern=_MAIL_ADDRESS, description="where people ask about their personal data"
    )
    maximum_days: int = Field(default=365, ge=1, le=1826, description="the longest duration of a machtiging, in days")
    code_valid_days: int = Field(default=30, ge=1, le=90, description="the validity of a machtigingscode, in days")
    session_idle_minutes: int = Field(
        default=15, ge=1, le=60, description="an idle session ends after this many minutes"
    )
    session_hours: int = Field(default=8, ge=1, le=24, description="every session ends after this many hours")
    access_token_seconds: int = Field(
        default=600, ge=60, le=3600, description="the lifetime of an access token, in seconds"
    )
    journal_head_file: Path | None = Field(
        default=None, description="the file for the last signed journal head, on another disk than the database"
    )
    journal_head_url: str | None = Field(
        default=None,
        pattern="^https://",
        description="the https address that receives each signed journal head by POST",
    )
    allowed_fetch_networks: str = Field(
        default="", description="private networks that outbound requests to clients may reach: 10.1.0.0/16, ..."
    )
    fetch_ca_file: Path | None = Field(
        default=None, description="extra CA certificates (PEM) for outbound requests to clients"
    )

    trusted_proxies: str = Field(
        default="", description="proxies trusted for the Client-Cert header (RFC 9440): 10.0.0.5, 10.2.0.0/24, ..."
    )
    forwarding_proxies: str = Field(
        default="",
        description="proxies trusted for the client address, besides trusted_proxies: 127.0.0.1, 10.2.0.0/24, ...",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="the header of those proxies with the client address; the other one is not read",
    )
    token_requests_in_flight: int = Field(
        default=20, ge=1, le=10_000, description="concurrent requests with one access token"
    )
    token_requests_per_minute: int = Field(
        default=1_200, ge=1, le=10_000_000, description="requests with one access token"
    )
    person_requests_in_flight: int = Field(default=40, ge=1, le=10_000, description="concurrent requests of one person")
    person_requests_per_minute: int = Field(default=2_400, ge=1, le=10_000_000, description="requests of one person")
    address_requests_in_flight: int = Field(
        default=200, ge=1, le=10_000, description="concurrent anonymous requests from one address (IPv6: /64)"
    )
    address_requests_per_minute: int = Field(
        default=12_000, ge=1, le=10_000_000, description="anonymous requests from one address (IPv6: /64)"
    )
    processes: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="the number of processes that share these limits, on all machines, workers included",
    )

    client_ca_file: Path | None = Field(
        default=None, description="CA certificates (PEM) for client certificates (tls_client_auth)"
    )

    register_keys_file: Path | None = Field(
        default=None, description="the JSON file with the OIN of each register and its public keys (JWK set)"
    )

    register_kinds: dict[str, list[str]] = Field(
        default={}, description="the kinds that a register may tell of, by OIN (JSON); else all but bestuurder"
    )

    authzen_tenants_dir: Path | None = Field(
        default=None, description="the folder of AuthZEN tenants, each a folder with its policy; unset: none"
    )

    mtls_url: str | None = Field(
        default=None, description="the base URL for clients with a certificate, if it is not the issuer"
    )

    @field_validator("allowed_fetch_networks", "trusted_proxies", "forwarding_proxies")
    @classmethod
    def _validate_networks(cls, text: str) -> str:
        for part in text.split(","):
            if part.strip():
                ipaddress.ip_network(part.strip())
        return text

    @property
    def maximum_length(self) -> timedelta:
        """The longest duration of a machtiging."""
        return timedelta(days=self.maximum_days)
