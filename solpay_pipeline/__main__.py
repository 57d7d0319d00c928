"""`python -m solpay_pipeline` is `solpay`."""

from solpay_pipeline.base.startup import importing

with importing():
    from solpay_pipeline.cli.app import main

if __name__ == "__main__":
    main()
