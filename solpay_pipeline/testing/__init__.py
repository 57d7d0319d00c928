"""One maker of shops, for tests, the demo and benchmarks, and for anyone who wants to try the pipeline.

    with running(Chain()) as node, Shop.open("sqlite:///shop.db", node) as shop:
        shop.fund()
        shop.accept_token(None, "0.1", "SOL")
        customer = shop.new_payment()
        shop.pay(customer, None)
        shop.settle_chain()
        asyncio.run(run_operation(shop.deployment, "recheck", Options(), "a run's id"))

`shop` makes shops, `tokens` says what they take, `keys` where their keys come from, `writing` writes the
peer's rows, and `peer_settings` are for a Django process of the peer's beside it.
"""
