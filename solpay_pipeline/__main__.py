"""`python -m solpay_pipeline` is `solpay`."""

from solpay_pipeline.cli import main

main()
