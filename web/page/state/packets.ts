/** Red packets: what the dialog shows, opening, sending, and the proof that this page computes itself. */
import { drawAgain } from "../../client/fairness.ts";
import type { Id, Opening, PacketShown } from "../../client/protocol.gen.ts";
import { connection } from "./session.ts";

/** Pages of openings that the dialog fetches; each has some hundred. */
const MAX_PAGES = 20;

export type Verdict = "fair" | "unfair" | "not_yet" | "no_crypto";

/** A packet with all its openings. */
export async function showPacket(packetId: Id): Promise<PacketShown> {
  const shown = await connection.request("ShowPacket", { packet_id: packetId });
  const openings: Opening[] = [...shown.openings];
  for (let page = 1, { more } = shown; more && page < MAX_PAGES; page++) {
    const next = await connection.request("ShowPacket", { packet_id: packetId, after: openings.length });
    openings.push(...next.openings);
    more = next.more && next.openings.length > 0;
  }
  return { ...shown, openings };
}

/** Draw all shares again; amounts that the server keeps private (0) are not compared. */
export async function verifyPacket(shown: PacketShown): Promise<Verdict> {
  if (!shown.server_seed.length) return "not_yet";
  if (!(crypto as { subtle?: SubtleCrypto }).subtle) return "no_crypto"; // plain HTTP from another machine
  const shares = await drawAgain({
    packetId: shown.packet_id,
    total: shown.total,
    count: shown.count,
    mode: shown.mode,
    receiverId: shown.receiver_id,
    commitment: shown.commitment,
    clientSeed: shown.client_seed,
    serverSeed: shown.server_seed,
  });
  const isSame = shares?.every((cents, number) => {
    const opening = shown.openings.find((known) => known.number === number);
    return !opening || !opening.cents || opening.cents === cents;
  });
  return isSame ? "fair" : "unfair";
}

export interface NewPacket {
  groupId: Id;
  total: number;
  count: number;
  mode: number;
  /** Who may open it; null: everybody in the group. */
  receiverId: Id | null;
  greeting: string;
}

/** Prepare and send a packet, exactly once. */
export async function sendPacket({ groupId, total, count, mode, receiverId, greeting }: NewPacket): Promise<void> {
  const prepared = await connection.change("PreparePacket", { group_id: groupId, total, count, mode, ...(receiverId && { receiver_id: receiverId }) });
  const client_seed = crypto.getRandomValues(new Uint8Array(32));
  await connection.change("SendPacket", { group_id: groupId, packet_id: prepared.packet_id, client_seed, greeting });
}
