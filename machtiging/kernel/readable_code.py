"""Codes that people read out and type: their alphabet and check character (Crockford base32).

The alphabet has no I, L, O and U. The check character is a weighted sum in GF(32). It detects every wrong character and
every swap of two, so a typing error is never another person's code. Pure.
"""

from __future__ import annotations

from machtiging.kernel.text import keep_letters_and_digits

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("ILO", "110")
_MAX_PASTED_LENGTH, _MAX_NORMALISED_LENGTH = 200, 40


def normalise_code(typed: str) -> str:
    """Return the letters and digits of typed text, in capitals, with lookalikes replaced.

    Never raises: text that is no code stays no code.
    """
    plain = keep_letters_and_digits(typed[:_MAX_PASTED_LENGTH]).upper()
    return plain.translate(_LOOKALIKES)[:_MAX_NORMALISED_LENGTH]


def compute_check_character(body: str) -> str:
    """Compute the check character: the sum of character times power of x, in GF(32).

    The field polynomial is x^5 + x^2 + 1.
    """
    total = 0
    for character in body:
        total = _multiply_by_x(total ^ CODE_ALPHABET.index(character))
    return CODE_ALPHABET[total]


def _multiply_by_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled
