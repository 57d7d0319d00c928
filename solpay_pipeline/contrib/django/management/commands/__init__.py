"""The peer's four names, and `solpay` for all else."""
