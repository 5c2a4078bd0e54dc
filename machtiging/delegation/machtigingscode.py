"""The machtigingscode: nine random characters and a check character in Crockford base32.

The alphabet has no I, L, O and U, so a code is easy to read out and to type. The entropy is 45 bits. Guessing is
infeasible: a helper has five tries an hour and needs the birth date too. The table only holds a blind index, so a
stolen table cannot be searched. The check character is a weighted sum in GF(32). It detects every wrong character and
every swap of two, so a typing error is never another person's code. Pure except for randomness.
"""

from __future__ import annotations

import secrets

from machtiging.kernel.text import keep_letters_and_digits

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 10
# The purpose of the blind index of codes.
CODE_INDEX_PURPOSE = "machtigingscode"
_LOOKALIKES = str.maketrans("ILO", "110")
_MAX_PASTED_LENGTH, _MAX_NORMALISED_LENGTH = 200, 40


def generate_code() -> str:
    """Generate a code without separators."""
    body = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH - 1))
    return body + compute_check_character(body)


def format_code(code: str) -> str:
    """Format the code for people: XXXXX-XXXXX."""
    return f"{code[:5]}-{code[5:]}"


def normalise_code(typed: str) -> str:
    """Return the letters and digits of typed text, in capitals, with lookalikes replaced.

    Never raises: text that is no code stays no code.
    """
    plain = keep_letters_and_digits(typed[:_MAX_PASTED_LENGTH]).upper()
    return plain.translate(_LOOKALIKES)[:_MAX_NORMALISED_LENGTH]


def is_well_formed_code(code: str) -> bool:
    """Check length, alphabet and check character of a normalised code."""
    return (
        len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET) and compute_check_character(code[:-1]) == code[-1]
    )


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
