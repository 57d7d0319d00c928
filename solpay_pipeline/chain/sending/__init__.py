"""From instructions to a confirmed signature: packing, signing, broadcast, expiry."""
