"""A complete environment of made-up secrets, and the texts that must never be seen of it."""

import base64

from solders.keypair import Keypair

FEE_PAYER = Keypair.from_seed(bytes(range(32)))
RECEIVER = Keypair.from_seed(bytes(range(1, 33))).pubkey()
FIRST_KEY = base64.urlsafe_b64encode(b"first fernet key of thirty-two b").decode()
SECOND_KEY = base64.urlsafe_b64encode(b"second fernet key of thirtytwo b").decode()
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a webhook secret of 32 bytes ...").decode()
RPC_TOKEN = "rpc-token-5f2a9c"
DATABASE_PASSWORD = "pass-word-77aa"
HEADER_VALUE = "header-value-31cc"
PROXY_PASSWORD = "proxy-pass-90ee"
WEBHOOK_TOKEN = "hook-token-44bb"

COMPLETE = {
    "SOLPAY_DATABASE_URL": f"postgresql://solpay:{DATABASE_PASSWORD}@db.shop.test:5433/shop",
    "SOLPAY_RPC_URLS": f"https://one.rpc.test/{RPC_TOKEN}, https://two.rpc.test/?api-key={RPC_TOKEN}",
    "SOLPAY_RECEIVER_ADDRESS": str(RECEIVER),
    "SOLPAY_FEE_PAYER_KEYPAIR": str(FEE_PAYER),
    "SOLPAY_WALLET_KEYS": f"{FIRST_KEY},{SECOND_KEY}",
    "SOLPAY_CLUSTER": "mainnet-beta",
    "SOLPAY_COMMITMENT": "finalized",
    "SOLPAY_ACCEPTANCE_COMMITMENT": "finalized",
    "SOLPAY_RPC_TIMEOUT": "7.5",
    "SOLPAY_RPC_LONGEST_WAIT": "90",
    "SOLPAY_RPC_RATE_LIMIT": "25",
    "SOLPAY_RPC_HEADERS": f'{{"one.rpc.test": {{"x-api-key": "{HEADER_VALUE}", "x-shop": "one"}}}}',
    "SOLPAY_RPC_PROXY": f"http://me:{PROXY_PASSWORD}@proxy.test:3128",
    "SOLPAY_PAYMENT_TABLE": "shop_orderpayment",
    "SOLPAY_TOKEN_TABLE": "shop_token",
    "SOLPAY_TRANSACTION_VERSION": "1",
    "SOLPAY_MAX_PRIORITY_FEE": "5000",
    "SOLPAY_UNDERPAYMENT_TOLERANCE": "0.5%",
    "SOLPAY_WATCH_DAYS": "30",
    "SOLPAY_RECEIVER_DELAY": "24",
    "SOLPAY_MAX_SPENT_PER_RUN": "1000000",
    "SOLPAY_MAX_SPENT_PER_DAY": "10000000",
    "SOLPAY_WEBHOOK_URL": f"https://hooks.shop.test/{WEBHOOK_TOKEN}",
    "SOLPAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "SOLPAY_WEBHOOK_ALLOW_PRIVATE": "true",
    "SOLPAY_WEBHOOK_PROXY": f"http://me:{PROXY_PASSWORD}@proxy.test:3128",
    "SOLPAY_EVENT_TRIES": "7",
    "SOLPAY_EVENT_HANDLERS": "shop.events:on_event, shop.audit:write",
    "SOLPAY_EVENT_HANDLER_TIMEOUT": "12",
    "SOLPAY_DJANGO_SETTINGS": "shop.settings",
}

SMALLEST = {
    name: COMPLETE[name]
    for name in (
        "SOLPAY_DATABASE_URL",
        "SOLPAY_RPC_URLS",
        "SOLPAY_RECEIVER_ADDRESS",
        "SOLPAY_FEE_PAYER_KEYPAIR",
        "SOLPAY_WALLET_KEYS",
        "SOLPAY_CLUSTER",
    )
}

SECRET_TEXTS = (
    str(FEE_PAYER),
    ", ".join(str(byte) for byte in bytes(FEE_PAYER)[:16]),
    FIRST_KEY,
    SECOND_KEY,
    WEBHOOK_SECRET,
    RPC_TOKEN,
    DATABASE_PASSWORD,
    HEADER_VALUE,
    PROXY_PASSWORD,
    WEBHOOK_TOKEN,
)


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRET_TEXTS if secret in text]
