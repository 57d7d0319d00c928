// What the tests stand on: the endpoints of one running chain, and money to begin with.
import {
  airdropFactory,
  appendTransactionMessageInstructions,
  createSolanaRpc,
  createSolanaRpcSubscriptions,
  createTransactionMessage,
  generateKeyPairSigner,
  getSignatureFromTransaction,
  lamports,
  pipe,
  sendAndConfirmTransactionFactory,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from "@solana/kit";

export const SOL = 1_000_000_000n;
export const url = required("LOCALNET_URL");
export const wsUrl = required("LOCALNET_WS_URL");

export const rpc = createSolanaRpc(url);
export const rpcSubscriptions = createSolanaRpcSubscriptions(wsUrl);
export const sendAndConfirm = sendAndConfirmTransactionFactory({ rpc, rpcSubscriptions });

const airdrop = airdropFactory({ rpc, rpcSubscriptions });

export async function funded(sol = 10n) {
  const signer = await generateKeyPairSigner();
  await airdrop({
    commitment: "confirmed",
    lamports: lamports(sol * SOL),
    recipientAddress: signer.address,
  });
  return signer;
}

export async function signed(payer, instructions, version = 0) {
  const { value: blockhash } = await rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  const message = pipe(
    createTransactionMessage({ version }),
    (tx) => setTransactionMessageFeePayerSigner(payer, tx),
    (tx) => setTransactionMessageLifetimeUsingBlockhash(blockhash, tx),
    (tx) => appendTransactionMessageInstructions(instructions, tx),
  );
  return await signTransactionMessageWithSigners(message);
}

export async function landed(payer, instructions) {
  const transaction = await signed(payer, instructions);
  await sendAndConfirm(transaction, { commitment: "confirmed" });
  return getSignatureFromTransaction(transaction);
}

export async function admin(method, ...params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer.result;
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} names no endpoint`);
  return value;
}
