"""The command line: `solpay`."""
