"""`solpay` says what it did, and exits as it says."""
