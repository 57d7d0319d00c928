"""`python -m solpay_pipeline` is `solpay`."""

from solpay_pipeline.start import importing

with importing():
    from solpay_pipeline.cli import main

if __name__ == "__main__":
    main()
