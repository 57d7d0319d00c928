// @solana/kit over HTTP: money moves, polling confirms, errors are decoded.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM,
  SOLANA_ERROR__JSON_RPC__INVALID_PARAMS,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_FILTER_TRANSACTION_NOT_FOUND,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_NODE_UNHEALTHY,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION,
  SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND,
  isSolanaError,
} from "@solana/errors";
import {
  fetchEncodedAccount,
  generateKeyPairSigner,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  lamports,
} from "@solana/kit";
import { getCreateAccountInstruction, getTransferSolInstruction } from "@solana-program/system";
import {
  TOKEN_PROGRAM_ADDRESS,
  fetchMint,
  fetchToken,
  findAssociatedTokenPda,
  getCloseAccountInstruction,
  getCreateAssociatedTokenIdempotentInstructionAsync,
  getInitializeMint2Instruction,
  getMintSize,
  getMintToInstruction,
  getTransferCheckedInstruction,
} from "@solana-program/token";

import { SOL, admin, funded, landed, pause, rpc, signed } from "./ground.mjs";

const DECIMALS = 6;

async function polled(transaction) {
  const signature = await rpc
    .sendTransaction(getBase64EncodedWireTransaction(transaction), {
      encoding: "base64",
      preflightCommitment: "confirmed",
    })
    .send();
  assert.equal(signature, getSignatureFromTransaction(transaction));
  for (;;) {
    const { value } = await rpc.getSignatureStatuses([signature]).send();
    const level = value[0]?.confirmationStatus;
    if (level === "confirmed" || level === "finalized") return value[0];
    await pause(20);
  }
}

async function newMint(authority) {
  const mint = await generateKeyPairSigner();
  const space = BigInt(getMintSize());
  await landed(authority, [
    getCreateAccountInstruction({
      payer: authority,
      newAccount: mint,
      lamports: await rpc.getMinimumBalanceForRentExemption(space).send(),
      space,
      programAddress: TOKEN_PROGRAM_ADDRESS,
    }),
    getInitializeMint2Instruction({
      mint: mint.address,
      decimals: DECIMALS,
      mintAuthority: authority.address,
    }),
  ]);
  return mint.address;
}

async function ata(owner, mint) {
  const [address] = await findAssociatedTokenPda({ owner, mint, tokenProgram: TOKEN_PROGRAM_ADDRESS });
  return address;
}

test("a transfer is sent, confirmed by polling, and found in history", async () => {
  const [sender, receiver] = [await funded(), await generateKeyPairSigner()];
  const transfer = getTransferSolInstruction({
    source: sender,
    destination: receiver.address,
    amount: lamports(SOL),
  });
  const transaction = await signed(sender, [transfer]);
  const status = await polled(transaction);
  assert.equal(status.err, null);
  const { value } = await rpc.getBalance(receiver.address, { commitment: "confirmed" }).send();
  assert.equal(value, SOL);
  const [row] = await rpc.getSignaturesForAddress(receiver.address, { commitment: "confirmed" }).send();
  assert.equal(row.signature, getSignatureFromTransaction(transaction));
  for (const encoding of ["json", "jsonParsed", "base64", "base58"]) {
    const found = await rpc
      .getTransaction(row.signature, { commitment: "confirmed", encoding, maxSupportedTransactionVersion: 0 })
      .send();
    assert.equal(found.slot, row.slot);
    assert.equal(found.meta.fee, 5_000n);
    assert.equal(found.version, 0);
  }
});

test("a mint, its accounts, a checked transfer and a close", async () => {
  const [customer, shop] = [await funded(), await funded()];
  const mint = await newMint(customer);
  const [from, to] = [await ata(customer.address, mint), await ata(shop.address, mint)];
  await landed(customer, [
    await getCreateAssociatedTokenIdempotentInstructionAsync({ payer: customer, owner: customer.address, mint }),
    await getCreateAssociatedTokenIdempotentInstructionAsync({ payer: customer, owner: shop.address, mint }),
    getMintToInstruction({ mint, token: from, mintAuthority: customer, amount: 5_000_000n }),
  ]);
  await landed(customer, [
    getTransferCheckedInstruction({
      source: from,
      mint,
      destination: to,
      authority: customer,
      amount: 5_000_000n,
      decimals: DECIMALS,
    }),
  ]);
  const held = await fetchToken(rpc, to, { commitment: "confirmed" });
  assert.equal(held.data.amount, 5_000_000n);
  assert.equal(held.data.owner, shop.address);
  assert.equal((await fetchMint(rpc, mint, { commitment: "confirmed" })).data.supply, 5_000_000n);
  const balance = await rpc.getTokenAccountBalance(to, { commitment: "confirmed" }).send();
  assert.equal(balance.value.uiAmountString, "5");
  const owned = await rpc
    .getTokenAccountsByOwner(shop.address, { mint }, { commitment: "confirmed", encoding: "jsonParsed" })
    .send();
  assert.equal(owned.value[0].pubkey, to);
  assert.equal(owned.value[0].account.data.parsed.info.tokenAmount.amount, "5000000");
  assert.equal((await rpc.getTokenSupply(mint, { commitment: "confirmed" }).send()).value.amount, "5000000");
  const holders = await rpc
    .getProgramAccounts(TOKEN_PROGRAM_ADDRESS, {
      commitment: "confirmed",
      encoding: "base64",
      dataSlice: { offset: 64, length: 8 },
      filters: [{ dataSize: 165n }, { memcmp: { offset: 0n, bytes: mint, encoding: "base58" } }],
    })
    .send();
  assert.equal(holders.length, 2);
  const largest = await rpc.getTokenLargestAccounts(mint, { commitment: "confirmed" }).send();
  assert.equal(largest.value[0].address, to);
  await landed(customer, [
    getCloseAccountInstruction({ account: from, destination: customer.address, owner: customer }),
  ]);
  const closed = await fetchEncodedAccount(rpc, from, { commitment: "confirmed" });
  assert.equal(closed.exists, false);
});

test("what preflight found is decoded with its logs", async () => {
  const poor = await funded(1n);
  const receiver = await generateKeyPairSigner();
  const transfer = getTransferSolInstruction({
    source: poor,
    destination: receiver.address,
    amount: lamports(100n * SOL),
  });
  const wire = getBase64EncodedWireTransaction(await signed(poor, [transfer]));
  const simulated = await rpc.simulateTransaction(wire, { encoding: "base64", commitment: "confirmed" }).send();
  assert.deepEqual(simulated.value.err, { InstructionError: [0n, { Custom: 1n }] });
  const options = { encoding: "base64", preflightCommitment: "confirmed" };
  await assert.rejects(rpc.sendTransaction(wire, options).send(), (error) => {
    assert.ok(isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE));
    assert.ok(isSolanaError(error.cause, SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM));
    assert.equal(error.cause.context.code, 1);
    assert.match(error.context.logs.join("\n"), /insufficient lamports/);
    assert.equal(typeof error.context.unitsConsumed, "bigint");
    return true;
  });
});

test("a blockhash that nobody made is decoded as not found", async () => {
  const sender = await funded(1n);
  const transfer = getTransferSolInstruction({
    source: sender,
    destination: sender.address,
    amount: lamports(1n),
  });
  const { value } = await rpc.getLatestBlockhash().send();
  assert.equal((await rpc.isBlockhashValid(value.blockhash).send()).value, true);
  await admin("localnet_advanceSlots", 200);
  assert.equal((await rpc.isBlockhashValid(value.blockhash).send()).value, false);
  const transaction = await signed(sender, [transfer]);
  assert.notEqual(transaction.lifetimeConstraint.blockhash, value.blockhash);
  await admin("localnet_advanceSlots", 200);
  const wire = getBase64EncodedWireTransaction(transaction);
  await assert.rejects(rpc.sendTransaction(wire, { encoding: "base64" }).send(), (error) =>
    isSolanaError(error.cause, SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND),
  );
});

test("each refusal has the code that kit knows it by", async () => {
  const sender = await funded(1n);
  const transfer = getTransferSolInstruction({
    source: sender,
    destination: sender.address,
    amount: lamports(1n),
  });
  const signature = await landed(sender, [transfer]);
  const slot = await rpc.getSlot({ commitment: "processed" }).send();
  const refused = async (request, code) =>
    await assert.rejects(request.send(), (error) => {
      assert.ok(isSolanaError(error, code), `${error}`);
      return true;
    });
  await refused(rpc.getBalance("nobody"), SOLANA_ERROR__JSON_RPC__INVALID_PARAMS);
  await refused(
    rpc.getBalance(sender.address, { minContextSlot: slot + 1_000_000n }),
    SOLANA_ERROR__JSON_RPC__SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
  );
  await refused(
    rpc.getTransaction(signature, { commitment: "confirmed", encoding: "json" }),
    SOLANA_ERROR__JSON_RPC__SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION,
  );
  await refused(
    rpc.getSignaturesForAddress(sender.address, { before: `1${"1".repeat(63)}` }),
    SOLANA_ERROR__JSON_RPC__SERVER_ERROR_FILTER_TRANSACTION_NOT_FOUND,
  );
  await refused(
    rpc.getBlock(slot + 1_000_000n),
    SOLANA_ERROR__JSON_RPC__SERVER_ERROR_BLOCK_NOT_AVAILABLE,
  );
  await admin("localnet_setFaults", [{ kind: "node_behind", slots: 9, times: 1 }]);
  await refused(rpc.getHealth(), SOLANA_ERROR__JSON_RPC__SERVER_ERROR_NODE_UNHEALTHY);
  assert.equal(await rpc.getHealth().send(), "ok");
});

test("the methods about the cluster and its blocks have the shape that kit expects", async () => {
  const sender = await funded(1n);
  const slot = await rpc.getSlot({ commitment: "processed" }).send();
  await admin("localnet_advanceSlots", 40);
  for (const transactionDetails of ["full", "accounts", "signatures", "none"]) {
    const block = await rpc.getBlock(slot, { maxSupportedTransactionVersion: 0, transactionDetails }).send();
    assert.equal(block.parentSlot, slot - 1n);
  }
  assert.ok((await rpc.getBlocks(slot, slot + 2n).send()).length === 3);
  assert.ok((await rpc.getBlocksWithLimit(slot, 2).send()).length === 2);
  assert.equal(typeof (await rpc.getBlockTime(slot).send()), "bigint");
  assert.ok((await rpc.getEpochInfo().send()).absoluteSlot > slot);
  assert.equal((await rpc.getEpochSchedule().send()).slotsPerEpoch, 432_000n);
  assert.ok((await rpc.getBlockHeight().send()) > 0n);
  const leader = await rpc.getSlotLeader().send();
  assert.deepEqual(await rpc.getSlotLeaders(slot, 2).send(), [leader, leader]);
  assert.equal((await rpc.getIdentity().send()).identity, leader);
  assert.equal((await rpc.getClusterNodes().send())[0].pubkey, leader);
  assert.deepEqual((await rpc.getVoteAccounts().send()).current, []);
  assert.equal((await rpc.getRecentPerformanceSamples(1).send()).length, 1);
  assert.equal((await rpc.getRecentPrioritizationFees().send()).length, 150);
  assert.match((await rpc.getVersion().send())["solana-core"], /^\d+\.\d+\.\d+$/);
  assert.ok((await rpc.getTransactionCount().send()) > 0n);
  assert.ok((await rpc.getFirstAvailableBlock().send()) <= slot);
  assert.ok((await rpc.minimumLedgerSlot().send()) <= slot);
  assert.equal((await rpc.getGenesisHash().send()).length > 40, true);
  const { value: multiple } = await rpc.getMultipleAccounts([sender.address], { encoding: "base64" }).send();
  assert.equal(multiple[0].lamports, SOL);
  const sliced = await rpc
    .getAccountInfo(TOKEN_PROGRAM_ADDRESS, { encoding: "base64", dataSlice: { offset: 0, length: 4 } })
    .send();
  assert.equal(sliced.value.data[0], "AgAAAA==");
  const zstd = await rpc.getAccountInfo(TOKEN_PROGRAM_ADDRESS, { encoding: "base64+zstd" }).send();
  assert.equal(zstd.value.data[1], "base64+zstd");
});
