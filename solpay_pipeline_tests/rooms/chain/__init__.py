"""The chain side: accounts, instructions, packing, history, and the client."""
