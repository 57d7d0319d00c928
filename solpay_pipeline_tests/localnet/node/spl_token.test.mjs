// @solana/spl-token, which speaks through @solana/web3.js 1 and waits on its WebSocket.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  TOKEN_2022_PROGRAM_ID,
  TOKEN_PROGRAM_ID,
  TokenAccountNotFoundError,
  closeAccount,
  createMint,
  getAccount,
  getMint,
  getOrCreateAssociatedTokenAccount,
  mintTo,
  transferChecked,
} from "@solana/spl-token";
import { Connection, Keypair, LAMPORTS_PER_SOL, SendTransactionError } from "@solana/web3.js";

import { url, wsUrl } from "./ground.mjs";

const connection = new Connection(url, { commitment: "confirmed", wsEndpoint: wsUrl });

async function funded() {
  const keypair = Keypair.generate();
  const signature = await connection.requestAirdrop(keypair.publicKey, 10 * LAMPORTS_PER_SOL);
  const latest = await connection.getLatestBlockhash();
  const confirmed = await connection.confirmTransaction({ signature, ...latest });
  assert.equal(confirmed.value.err, null);
  return keypair;
}

for (const program of [TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID]) {
  test(`tokens of ${program.toBase58()} are minted, moved and their account closed`, async () => {
    const [customer, shop] = [await funded(), Keypair.generate()];
    const mint = await createMint(
      connection, customer, customer.publicKey, null, 2, undefined, undefined, program,
    );
    const open = (owner) =>
      getOrCreateAssociatedTokenAccount(
        connection, customer, mint, owner.publicKey, false, undefined, undefined, program,
      );
    const [from, to] = [await open(customer), await open(shop)];
    await mintTo(connection, customer, mint, from.address, customer, 700, [], undefined, program);
    await transferChecked(
      connection, customer, from.address, mint, to.address, customer, 700, 2, [], undefined, program,
    );
    assert.equal((await getAccount(connection, to.address, undefined, program)).amount, 700n);
    assert.equal((await getMint(connection, mint, undefined, program)).supply, 700n);
    await closeAccount(
      connection, customer, from.address, customer.publicKey, customer, [], undefined, program,
    );
    await assert.rejects(getAccount(connection, from.address, undefined, program), TokenAccountNotFoundError);
    const parsed = await connection.getParsedTokenAccountsByOwner(shop.publicKey, { mint });
    assert.equal(parsed.value[0].account.data.parsed.info.tokenAmount.uiAmount, 7);
    const [{ signature }] = await connection.getSignaturesForAddress(to.address, { limit: 1 });
    const transaction = await connection.getParsedTransaction(signature, { maxSupportedTransactionVersion: 0 });
    assert.equal(transaction.transaction.message.instructions.at(-1).parsed.type, "transferChecked");
  });
}

test("an account with tokens in it is not closed, and the error says why", async () => {
  const customer = await funded();
  const mint = await createMint(connection, customer, customer.publicKey, null, 0);
  const account = await getOrCreateAssociatedTokenAccount(connection, customer, mint, customer.publicKey);
  await mintTo(connection, customer, mint, account.address, customer, 1);
  await assert.rejects(
    closeAccount(connection, customer, account.address, customer.publicKey, customer),
    (error) => {
      assert.ok(error instanceof SendTransactionError);
      assert.match(error.message, /custom program error: 0xb/);
      assert.ok(error.logs.length > 0);
      return true;
    },
  );
});

test("onSlotChange, onAccountChange and onLogs are told", async () => {
  const customer = await funded();
  const told = { slot: 0, account: 0, logs: 0 };
  const numbers = [
    connection.onSlotChange(() => (told.slot += 1)),
    connection.onAccountChange(customer.publicKey, () => (told.account += 1), { commitment: "confirmed" }),
    connection.onLogs(customer.publicKey, () => (told.logs += 1), "confirmed"),
  ];
  await new Promise((resolve) => setTimeout(resolve, 200));
  const signature = await connection.requestAirdrop(customer.publicKey, LAMPORTS_PER_SOL);
  for (let tries = 0; tries < 200 && !(told.slot && told.account && told.logs); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(signature && told.slot > 0 && told.account > 0 && told.logs > 0, JSON.stringify(told));
  await connection.removeSlotChangeListener(numbers[0]);
  await connection.removeAccountChangeListener(numbers[1]);
  await connection.removeOnLogsListener(numbers[2]);
});
