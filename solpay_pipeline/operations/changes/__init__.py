"""Every change of a row, with its event and its finding in one database transaction."""
