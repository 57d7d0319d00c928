"""Carries out one step in a world, and says in a sentence what that came to."""

import random
import struct
from collections.abc import Callable
from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.localnet.chain.errors import Rejected, RpcError
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, TOKEN_PROGRAM
from solpay_pipeline_tests.proofs.simulation.rude.deeds import BY_NAME
from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene
from solpay_pipeline_tests.proofs.simulation.runs import Runs
from solpay_pipeline_tests.proofs.simulation.sky import set_sky
from solpay_pipeline_tests.proofs.simulation.steps import (
    Both,
    Deliver,
    Die,
    Fork,
    Freeze,
    Meanwhile,
    Open,
    Pay,
    Purse,
    Rent,
    Rotate,
    Rude,
    Run,
    ShopExpires,
    Skew,
    Spam,
    Step,
    Tax,
    Verify,
    Wait,
    Weather,
)
from solpay_pipeline_tests.proofs.simulation.till import Till, holdings
from solpay_pipeline_tests.proofs.simulation.web import WebApplication
from solpay_pipeline_tests.proofs.simulation.world import FEE_PAYER_LAMPORTS, World

_SPAM_AMOUNT = 777
_NEARLY_NOTHING = 700_000
"""Lamports that a spent fee payer keeps, if its rent is no more: that rent and next to nothing for fees."""


class Doing:
    """The hand that moves a world."""

    def __init__(self, world: World, web: WebApplication, runs: Runs) -> None:
        self.world = world
        self.web = web
        self.runs = runs
        self._deeds = self._table()

    def do(self, step: Step, place: int) -> str:
        """Do this step; all dice in it fall by the seed and its place alone, so that others may be left out."""
        dice = random.Random(f"{self.world.seed} {place}")
        random.seed(dice.random())
        self.world.network.dice = dice
        self.runs.receiver.dice = dice
        for node in self.world.nodes.values():
            node.faults._random = dice
        self.world.tally[f"step {type(step).__name__.lower()}"] += 1
        return self.do_now(step)

    def do_now(self, step: Step) -> str:
        """Do a step with the dice as they lie."""
        return self._deeds[type(step)](step)

    def _table(self) -> dict[type, Callable[[Any], str]]:
        runs = self.runs
        return {
            Open: self._open,
            Pay: self._pay,
            Spam: self._spam,
            Wait: self._wait,
            Verify: self._verify,
            ShopExpires: lambda _: f"The peer's command expires {self.web.expire()} payments by the clock.",
            Fork: self._fork,
            Freeze: self._freeze,
            Tax: self._tax,
            Rent: self._rent,
            Purse: self._purse,
            Weather: self._weather,
            Skew: self._skew,
            Run: runs.run,
            Both: runs.both,
            Rotate: lambda _: runs.rotate(),
            Deliver: lambda step: runs.deliver(step.mood),
            Rude: self._rude,
            Die: runs.arm_death,
            Meanwhile: lambda step: runs.arm_deed(step.at, lambda: self.do_now(step.what)),
        }

    def _rude(self, step: Rude) -> str:
        scene = Scene(self.world, self.web, self._till(step.till), self._coin(step.coin), step.percent)
        self.world.tally[f"rude {step.deed}"] += 1
        try:
            words = BY_NAME[step.deed](scene)
        except RuntimeError as refused:
            self.world.tally["rude deeds refused"] += 1
            return f"The chain refuses {step.deed}: {str(refused).splitlines()[0]}"
        self.runs.checks.look_again()
        return words

    def _open(self, step: Open) -> str:
        till = self.world.new_payment(step.coins, step.lasts)
        names = " or ".join(self.world.coins[mint].symbol for mint in till.prices)
        return f"Payment {till.number} is opened for {step.lasts} s, in {names}."

    def _wait(self, step: Wait) -> str:
        self.world.loop.pass_time(step.seconds)
        self.world.chain.tick()
        return f"{step.seconds} s go by."

    def _verify(self, step: Verify) -> str:
        till, mint = self._till(step.till), self._priced(step.till, step.coin)
        found = self.web.verify(till, mint, step.ending)
        name = self.world.coins[mint].symbol
        return f"The page of payment {till.number} asks the web application about {name}: {found}."

    def _rent(self, step: Rent) -> str:
        self.world.chain.set_rent(step.lamports_per_byte)
        return f"Rent is {step.lamports_per_byte} lamports a byte from now on."

    def _weather(self, step: Weather) -> str:
        set_sky(self.world, step.sky)
        return f"The nodes' weather is: {step.sky}."

    def _skew(self, step: Skew) -> str:
        self.world.clock_skew = step.seconds
        self.world.worst_skew = max(self.world.worst_skew, abs(step.seconds))
        return f"The merchant's clock is {step.seconds} s ahead."

    def _till(self, number: int) -> Till:
        if not self.world.tills:
            self.world.new_payment(1, 600)
        return self.world.tills[number % len(self.world.tills)]

    def _coin(self, number: int) -> Pubkey | None:
        return list(self.world.coins)[number % len(self.world.coins)]

    def _priced(self, till_number: int, number: int) -> Pubkey | None:
        """One of the coins that a payment asks for, or once asked for."""
        till = self._till(till_number)
        prices = list(till.prices if number % 2 else till.asked)
        return prices[number % len(prices)]

    def _pay(self, step: Pay) -> str:
        world, till = self.world, self._till(step.till)
        # One in eight pays in what nobody asked for.
        mint = self._coin(step.coin) if step.coin % 8 == 0 else self._priced(step.till, step.coin)
        price, coin = till.asked.get(mint, world.units(mint)), world.coins[mint]
        tax = world.taxes.get(mint, 0)
        match step.share:
            case "all":
                amount = price + price * tax // 5_000
            case "half":
                amount = max(price // 2, 1)
            case "double":
                amount = 2 * price
            case "dust":
                amount = 1 if mint is not None else 650_240 + step.coin
            case "rest":
                here = holdings(world.chain, till.address)[0][mint]
                amount = max(price - here, 1)
        if mint is None:
            amount = max(amount, 1_000_000)
        if not world.has_mint(mint):
            return f"Nobody can pay in {coin.symbol} any more."
        words = f"Customer {till.number} pays {amount} of {price} in {coin.symbol} ({step.way})"
        try:
            self._transfer(till, mint, amount, step.way)
        except RuntimeError as refused:
            world.tally["payments refused"] += 1
            return f"{words}, which the chain refuses: {str(refused).splitlines()[0]}"
        world.tally["payments made"] += 1
        world.tally["base units paid"] += amount
        return words + "."

    def _transfer(self, till: Till, mint: Pubkey | None, amount: int, way: str) -> None:
        house, version = self.world.mint_house, 1 if way == "version 1" else 0
        parts = [amount - amount // 3, amount // 3] if way == "two transfers" and amount > 2 else [amount]
        if mint is None and min(parts) < 1_000_000:
            parts = [amount]
        for part in parts:
            if mint is not None and way == "program":
                self._pay_in_a_batch(till, mint, part)
            elif mint is not None:
                house.pay_token(till.address, mint, part, version=version)
            elif way == "program":
                self._pay_by_unwrapping(till, part)
            else:
                house.pay_sol(till.address, part, version=version)

    def _pay_by_unwrapping(self, till: Till, lamports: int) -> None:
        """Lamports that the token program pays out, not the system program: an account of wrapped SOL is closed."""
        house = self.world.mint_house
        account = house.create_token_account(house.customer.pubkey(), NATIVE_MINT)
        rent = house.lamports(account)
        if lamports < rent:
            house.pay_sol(till.address, lamports)
            return
        if lamports > rent:
            house.mint_to(account, NATIVE_MINT, lamports - rent)
        owner = AccountMeta(house.customer.pubkey(), True, False)
        keys = [AccountMeta(account, False, True), AccountMeta(till.address, False, True), owner]
        house.send([Instruction(TOKEN_PROGRAM, b"\x09", keys)])

    def _pay_in_a_batch(self, till: Till, mint: Pubkey, amount: int) -> None:
        """A transfer together with others of the customer's in one transaction: to himself and to the wallet."""
        house, world = self.world.mint_house, self.world
        source = house.create_ata(house.customer.pubkey(), mint)
        house.mint_to(source, mint, 2 * amount)
        destination = house.create_ata(till.address, mint)
        program, decimals = world.coins[mint].program, world.coins[mint].decimals
        owner = AccountMeta(house.customer.pubkey(), True, False)

        def moved(to: Pubkey, units: int) -> Instruction:
            keys = [
                AccountMeta(source, False, True),
                AccountMeta(mint, False, False),
                AccountMeta(to, False, True),
                owner,
            ]
            return Instruction(program, b"\x0c" + struct.pack("<QB", units, decimals), keys)

        house.send([moved(source, amount), moved(destination, amount)])

    def _spam(self, step: Spam) -> str:
        till, house = self._till(step.till), self.world.mint_house
        mint = house.create_mint(decimals=0)
        self.world.spam.append(mint)
        house.pay_token(till.address, mint, _SPAM_AMOUNT)
        return f"Somebody sends spam tokens to wallet {till.number}."

    def _fork(self, step: Fork) -> str:
        chain = self.world.chain
        wires = {
            record.signature: bytes(record.decoded.transaction)
            for record in chain.history.everything()
            if record.slot > chain.slot_at("finalized")
        }
        payers = {
            record.signature: record.decoded.fee_payer
            for record in chain.history.everything()
            if record.slot > chain.slot_at("finalized")
        }
        level = "confirmed" if step.keep_confirmed else "finalized"
        gone = chain.fork(level, keep_blockhashes=step.keep_blockhashes)  # type: ignore[arg-type]
        self.runs.forked()
        again = 0
        for signature in gone if step.resend else []:
            if payers[signature] == self.world.fee_payer.pubkey():
                continue
            try:
                chain.submit(wires[signature])
                again += 1
            except (Rejected, RpcError):
                self.world.tally["transactions lost in forks"] += 1
        self.world.tally["forks"] += 1
        self.world.tally["transactions taken back"] += len(gone)
        return f"A fork takes back {len(gone)} transactions above the {level} block; {again} come again."

    def _freeze(self, step: Freeze) -> str:
        till, mint = self._till(step.till), self._coin(step.coin)
        house = self.world.mint_house
        if mint is None:
            return "Nobody can freeze SOL."
        if not self.world.has_mint(mint):
            return "Its mint is gone."
        account = house.ata(till.address, mint)
        verb = "thaws" if step.thaw else "freezes"
        try:
            house.thaw(account, mint) if step.thaw else house.freeze(account, mint)
        except RuntimeError:
            return f"The issuer {verb} no account of wallet {till.number}."
        self.world.tally["accounts frozen"] += not step.thaw
        return f"The issuer {verb} wallet {till.number}'s {self.world.coins[mint].symbol}."

    def _tax(self, step: Tax) -> str:
        taxed = [mint for mint in self.world.taxes if mint is not None]
        if not taxed:
            return "No issuer takes a fee."
        mint = taxed[step.coin % len(taxed)]
        self.world.mint_house.set_transfer_fee(mint, step.basis_points)
        self.world.taxes[mint] = max(self.world.taxes[mint], step.basis_points)
        return (
            f"The transfer fee of {self.world.coins[mint].symbol} will be {step.basis_points} basis points."
        )

    def _purse(self, step: Purse) -> str:
        world = self.world
        payer: Keypair = world.fee_payer
        lamports = world.mint_house.lamports(payer.pubkey())
        least = world.chain.minimum_balance(0)
        kept = max(_NEARLY_NOTHING, least)
        # Less than an account must hold cannot be sent to one that is not there yet.
        if step.is_filled or lamports < kept + least:
            world.mint_house.airdrop(payer.pubkey(), FEE_PAYER_LAMPORTS)
            return "The fee payer is filled up."
        spent = TransferParams(
            from_pubkey=payer.pubkey(),
            to_pubkey=world.mint_house.customer.pubkey(),
            lamports=lamports - kept,
        )
        world.mint_house.send([transfer(spent)], [payer])
        return "Somebody spends the fee payer's lamports."
