"""Numbers of organisations: OIN (twenty digits) and KvK number (eight digits).

Source: OIN-stelsel 3.0. The KvK number has no check digit.
"""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.kernel.errors import InvalidInput

# The first eight digits are the source register of the number; 00000099 is for tests only.
OIN_PREFIXES = frozenset(f"{n:08d}" for n in (1, 2, 3, 4, 6, 7, 8, 9, 10, 99))


def _is_digits(value: str, length: int) -> bool:
    return isinstance(value, str) and len(value) == length and value.isascii() and value.isdigit()


@dataclass(frozen=True, slots=True)
class Oin:
    """Organisatie-identificatienummer (OIN) of an afzender. Raises InvalidInput `oin_ongeldig`."""

    value: str

    def __post_init__(self) -> None:
        if not _is_digits(self.value, 20) or self.value[:8] not in OIN_PREFIXES:
            raise InvalidInput("oin_ongeldig")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class KvkNumber:
    """Number in the Handelsregister. Raises InvalidInput `kvk_ongeldig`."""

    value: str

    def __post_init__(self) -> None:
        if not _is_digits(self.value, 8):
            raise InvalidInput("kvk_ongeldig")

    def __str__(self) -> str:
        return self.value
