"""Reading: pages of rows, snapshots of wallets, evidence."""
