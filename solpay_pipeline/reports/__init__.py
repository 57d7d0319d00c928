"""What a day, or some days, came to: frames, plots and audits, read from the tables and held against the chain."""
