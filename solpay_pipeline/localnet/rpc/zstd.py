"""A Zstandard frame around bytes, uncompressed: all that base64+zstd needs, without a compressor.

RFC 8878: magic number, frame header with the content's size, then raw blocks of at most 128 KiB.
"""

import struct

_MAGIC = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT_4_BYTE_SIZE = b"\xa0"
_BLOCK_BYTES = 128 * 1024


def frame(raw: bytes) -> bytes:
    """`raw` as a Zstandard frame; any decoder gives it back."""
    blocks = [raw[start : start + _BLOCK_BYTES] for start in range(0, len(raw), _BLOCK_BYTES)] or [b""]
    parts = [_MAGIC, _SINGLE_SEGMENT_4_BYTE_SIZE, struct.pack("<I", len(raw))]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        parts += [struct.pack("<I", len(block) << 3 | last)[:3], block]
    return b"".join(parts)
