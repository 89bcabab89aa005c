// Verifies a finished red packet, from the specification in redpack/README.md ("The fairness protocol") alone.
//
//   chatsrv redpack show ID --json > packet.json
//   node examples/verify_redpack.mjs packet.json [commitment and client seed as in the packet's message, in hexadecimal]
//
// Prints what does not fit; exit code 0 where everything fits, else 1.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const MODE_NUMBER = { lucky: 1, shuffled: 2, equal: 3, named: 4 };

/** A non-negative integer as `bytes` bytes, big-endian. */
function unsigned(value, bytes) {
  return Buffer.from(BigInt(value).toString(16).padStart(bytes * 2, "0"), "hex");
}

export function commitmentOf(reveal) {
  const hash = createHash("sha256");
  const lucky = reveal.mode === "lucky";
  hash.update(lucky ? "rp-commit-v1\0" : "rp-commit-v2\0");
  hash.update(unsigned(reveal.packet_id, 16));
  hash.update(unsigned(reveal.total_cents, 8));
  hash.update(unsigned(reveal.count, 4));
  if (!lucky) {
    hash.update(unsigned(MODE_NUMBER[reveal.mode], 1));
    hash.update(unsigned(reveal.receiver_id ?? 0, 16));
  }
  return hash.update(Buffer.from(reveal.server_seed, "hex")).digest();
}

/** The stream of draws of one packet: `below(m)` is uniform on 0 … m − 1. */
function drawsOf(reveal, commitment) {
  const key = createHmac("sha256", Buffer.from(reveal.server_seed, "hex"))
    .update("rp-key-v1\0")
    .update(commitment)
    .update(Buffer.from(reveal.client_seed, "hex"))
    .digest();
  let next = 0n;
  return function below(m) {
    const bound = (2n ** 64n / m) * m;
    for (;;) {
      const x = createHmac("sha256", key).update(unsigned(next++, 8)).digest().readBigUInt64BE(0);
      if (x < bound) return x % m;
    }
  };
}

function sharesOf(reveal, below) {
  const total = BigInt(reveal.total_cents);
  const count = BigInt(reveal.count);
  if (reveal.mode === "named") return [total];
  if (reveal.mode === "equal") return Array(reveal.count).fill(total / count);
  const shares = [];
  let rest = total;
  for (let k = count; k > 1n; k--) {
    const excess = 2n * (rest - k);
    const roundsUp = below(k) < excess % k;
    const share = 1n + below(excess / k + (roundsUp ? 2n : 1n));
    shares.push(share);
    rest -= share;
  }
  shares.push(rest);
  if (reveal.mode === "shuffled") {
    for (let i = shares.length - 1; i > 0; i--) {
      const j = Number(below(BigInt(i + 1)));
      [shares[i], shares[j]] = [shares[j], shares[i]];
    }
  }
  return shares;
}

function luckiestOf(reveal, shares, below) {
  if (reveal.opened.length < reveal.count || reveal.mode === "equal" || reveal.mode === "named") return null;
  const largest = shares.reduce((most, share) => (share > most ? share : most));
  const tied = shares.flatMap((share, number) => (share === largest ? [number] : []));
  return tied.length === 1 ? tied[0] : tied[Number(below(BigInt(tied.length)))];
}

/** What does not fit, as sentences. */
export function problemsOf(reveal, seenCommitment, seenClientSeed) {
  const problems = [];
  const commitment = commitmentOf(reveal);
  if (commitment.toString("hex") !== reveal.commitment) problems.push("the seed does not give the commitment");
  if (seenCommitment && commitment.toString("hex") !== seenCommitment) {
    problems.push("the seed does not give the commitment in the message");
  }
  if (seenClientSeed && reveal.client_seed !== seenClientSeed) problems.push("the client seed is not the message's");
  const below = drawsOf(reveal, commitment);
  const shares = sharesOf(reveal, below);
  const people = new Set();
  let rest = BigInt(reveal.total_cents);
  reveal.opened.forEach(({ number, user_id, cents }, place) => {
    if (number !== place) problems.push(`share ${number} stands where share ${place} is due`);
    if (BigInt(cents) !== shares[place]) problems.push(`share ${place} is ${cents} cents instead of ${shares[place]}`);
    if (people.has(user_id)) problems.push(`user ${user_id} opened twice`);
    if (reveal.mode === "named" && user_id !== reveal.receiver_id) problems.push(`user ${user_id} was not named`);
    people.add(user_id);
    rest -= shares[place] ?? 0n;
  });
  if (BigInt(reveal.refunded_cents) !== rest) problems.push(`${reveal.refunded_cents} cents went back instead of ${rest}`);
  const luckiest = luckiestOf(reveal, shares, below);
  if (luckiest !== reveal.luckiest) problems.push(`share ${reveal.luckiest} was named luckiest instead of ${luckiest}`);
  return problems;
}

const [, , path, seenCommitment, seenClientSeed] = process.argv;
const problems = problemsOf(JSON.parse(readFileSync(path, "utf8")), seenCommitment, seenClientSeed);
console.log(problems.length ? problems.join("\n") : "the commitment and all shares follow from the seeds");
process.exitCode = problems.length ? 1 : 0;
