"""Many processes of ours and of the peer on one database lose no write and pay once."""
