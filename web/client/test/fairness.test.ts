/** The vectors of redpack/vectors. The file's path is in CHATSRV_FAIRNESS. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex } from "../client_id.ts";
import { drawAgain, type PacketProof } from "../fairness.ts";

interface Reveal {
  packet_id: string;
  total_cents: number;
  count: number;
  mode: "lucky" | "shuffled" | "equal" | "named";
  receiver_id: string | null;
  commitment: string;
  server_seed: string;
  client_seed: string;
}

const MODES = { lucky: 1, shuffled: 2, equal: 3, named: 4 };
const { packets } = JSON.parse(readFileSync(process.env["CHATSRV_FAIRNESS"] ?? "", "utf8")) as { packets: { name: string; shares: number[]; reveal: Reveal }[] };

const proofOf = (reveal: Reveal): PacketProof => ({
  packetId: reveal.packet_id,
  total: reveal.total_cents,
  count: reveal.count,
  mode: MODES[reveal.mode],
  receiverId: reveal.receiver_id ?? "0",
  commitment: fromHex(reveal.commitment),
  clientSeed: fromHex(reveal.client_seed),
  serverSeed: fromHex(reveal.server_seed),
});

test("every packet of the vectors is drawn again to the cent", async () => {
  assert.ok(packets.length > 10);
  for (const { name, shares, reveal } of packets) assert.deepEqual(await drawAgain(proofOf(reveal)), shares, name);
});

test("another seed than the one committed to is found out", async () => {
  const proof = proofOf(packets[0]!.reveal);
  assert.equal(await drawAgain({ ...proof, serverSeed: new Uint8Array(32).fill(7) }), null);
});
