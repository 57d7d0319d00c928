// @solana/kit over WebSocket: its own sendAndConfirm, and each subscription.
import assert from "node:assert/strict";
import { test } from "node:test";

import { generateKeyPairSigner, getSignatureFromTransaction, lamports } from "@solana/kit";
import { getTransferSolInstruction } from "@solana-program/system";

import { SOL, funded, landed, rpc, rpcSubscriptions, sendAndConfirm, signed } from "./ground.mjs";

const pay = (source, destination, amount) =>
  getTransferSolInstruction({ source, destination, amount: lamports(amount) });

async function first(subscription, act) {
  const abort = new AbortController();
  const notifications = await subscription.subscribe({ abortSignal: abort.signal });
  // kit keeps nothing for later: whoever does not wait yet misses it.
  const told = notifications[Symbol.asyncIterator]().next();
  await act?.();
  const { value } = await told;
  abort.abort();
  return value;
}

test("sendAndConfirm works at every level", async () => {
  const sender = await funded();
  const receiver = await generateKeyPairSigner();
  for (const commitment of ["processed", "confirmed", "finalized"]) {
    const transaction = await signed(sender, [pay(sender, receiver.address, SOL)]);
    await sendAndConfirm(transaction, { commitment });
    const { value } = await rpc
      .getSignatureStatuses([getSignatureFromTransaction(transaction)])
      .send();
    assert.equal(value[0].err, null);
  }
  const { value } = await rpc.getBalance(receiver.address, { commitment: "finalized" }).send();
  assert.equal(value, 3n * SOL);
});

test("slots come one after the other", async () => {
  const abort = new AbortController();
  const slots = [];
  for await (const each of await rpcSubscriptions.slotNotifications().subscribe({ abortSignal: abort.signal })) {
    slots.push(each.slot);
    assert.equal(each.parent, each.slot - 1n);
    assert.ok(each.root < each.slot);
    if (slots.length === 5) break;
  }
  abort.abort();
  assert.deepEqual(slots, slots.map((_, index) => slots[0] + BigInt(index)));
});

test("an account tells of money that came", async () => {
  const [sender, receiver] = [await funded(), await generateKeyPairSigner()];
  const told = await first(
    rpcSubscriptions.accountNotifications(receiver.address, { commitment: "confirmed", encoding: "base64" }),
    () => landed(sender, [pay(sender, receiver.address, SOL)]),
  );
  assert.equal(told.value.lamports, SOL);
});

test("logs are told to those who are mentioned", async () => {
  const [sender, receiver] = [await funded(), await generateKeyPairSigner()];
  let signature;
  const told = await first(
    rpcSubscriptions.logsNotifications({ mentions: [receiver.address] }, { commitment: "confirmed" }),
    async () => {
      signature = await landed(sender, [pay(sender, receiver.address, SOL)]);
    },
  );
  assert.equal(told.value.signature, signature);
  assert.match(told.value.logs.join("\n"), /success/);
});

test("a signature that landed long ago is told at once", async () => {
  const sender = await funded();
  const signature = await landed(sender, [pay(sender, sender.address, 1n)]);
  const told = await first(rpcSubscriptions.signatureNotifications(signature, { commitment: "confirmed" }));
  assert.equal(told.value.err, null);
});
