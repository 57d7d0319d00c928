"""Customers who pay to addresses that nobody gave them: token accounts, accounts of accounts, accounts handed over."""

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from solpay_pipeline.localnet.chain.token_layout import ACCOUNT_SIZE, TOKEN_PROGRAM
from solpay_pipeline_tests.proofs.simulation.rude.scene import LEAST_LAMPORTS, Scene

_RENT_SYSVAR = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
_NOTHING = "The payment has no token whose mint is there."


def sol_to_an_account(scene: Scene) -> str:
    """Lamports to one of the wallet's token accounts, mostly an open one."""
    mint = next((one for one in scene.till.prices if one is not None and scene.world.has_mint(one)), None)
    if mint is None:
        return _NOTHING
    account, lamports = scene.house.ata(scene.till.address, mint), LEAST_LAMPORTS * scene.percent
    scene.house.pay_sol(account, lamports)
    return f"Somebody sends {lamports} lamports to wallet {scene.till.number}'s account of {scene.world.symbol(mint)}."


def sol_to_where_no_account_is(scene: Scene) -> str:
    """The same, where its account has been closed already."""
    for mint in scene.till.asked:
        if mint is None or not scene.world.has_mint(mint):
            continue
        address = scene.house.ata(scene.till.address, mint)
        if scene.house.lamports(address) == 0:
            scene.house.pay_sol(address, LEAST_LAMPORTS * scene.percent)
            return (
                f"Somebody sends {LEAST_LAMPORTS * scene.percent} lamports to where wallet {scene.till.number} has"
                f" no account of {scene.world.symbol(mint)} any more."
            )
    return f"All accounts of wallet {scene.till.number} are open."


def tokens_to_another_account(scene: Scene) -> str:
    """A price to a token account that the wallet owns and that is no ATA; its opening names the wallet."""
    mint = next((one for one in scene.till.prices if one is not None and scene.world.is_classic(one)), None)
    if mint is None:
        return _NOTHING
    house, account = scene.house, scene.world.new_keypair()
    made = create_account(
        CreateAccountParams(
            from_pubkey=house.customer.pubkey(),
            to_pubkey=account.pubkey(),
            lamports=scene.world.chain.minimum_balance(ACCOUNT_SIZE),
            space=ACCOUNT_SIZE,
            owner=TOKEN_PROGRAM,
        )
    )
    named = [mint, scene.till.address, _RENT_SYSVAR]
    keys = [AccountMeta(account.pubkey(), False, True), *(AccountMeta(one, False, False) for one in named)]
    house.send([made, Instruction(TOKEN_PROGRAM, b"\x01", keys)], [account])
    amount = scene.till.prices[mint]
    house.mint_to(account.pubkey(), mint, amount)
    scene.world.hidden.add(account.pubkey())
    return (
        f"Customer {scene.till.number} pays {amount} in {scene.world.symbol(mint)} to an account of the wallet's"
        " that is at no associated address."
    )


def an_account_is_handed_over(scene: Scene) -> str:
    """SetAuthority: the wallet becomes the owner of a token account with money in it."""
    mint = next((one for one in scene.till.prices if one is not None and scene.world.is_classic(one)), None)
    if mint is None:
        return _NOTHING
    house = scene.house
    account = house.create_token_account(house.customer.pubkey(), mint)
    house.mint_to(account, mint, scene.part(scene.till.prices[mint]))
    content = b"\x06\x02\x01" + bytes(scene.till.address)
    keys = [AccountMeta(account, False, True), AccountMeta(house.customer.pubkey(), True, False)]
    house.send([Instruction(TOKEN_PROGRAM, content, keys)])
    scene.world.hidden.add(account)
    return f"A whole account of {scene.world.symbol(mint)} is handed over to wallet {scene.till.number}."


def tokens_to_an_account_of_an_account(scene: Scene) -> str:
    """A price to the associated account of the wallet's associated account, as some wallet programs do."""
    mint = next((one for one in scene.till.prices if one is not None and scene.world.has_mint(one)), None)
    if mint is None:
        return _NOTHING
    house = scene.house
    owner = house.ata(scene.till.address, mint)
    house.pay_token(owner, mint, scene.till.prices[mint])
    return f"Customer {scene.till.number} pays {scene.world.symbol(mint)} to the account of the wallet's account."
