"""What there is to decide on: what transactions did, the statement of a wallet, and what a decision may rest on."""
