"""What the chain holds: accounts, mints and their extensions, histories."""
