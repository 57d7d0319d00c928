"""Base58 with Bitcoin's alphabet, for account and transaction bytes of any length (solders offers fixed
lengths only).
"""

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}


def encode(raw: bytes) -> str:
    """Bytes as base58 text; leading zero bytes become leading ones."""
    number = int.from_bytes(raw)
    letters = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def decode(text: str) -> bytes:
    """Base58 text as bytes; ValueError where a letter isn't in the alphabet."""
    number = 0
    for letter in text:
        if letter not in _VALUES:
            raise ValueError(f"invalid base58 character {letter!r}")
        number = number * 58 + _VALUES[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
