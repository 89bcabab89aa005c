/** Draws a red packet again from both seeds, as redpack/README.md specifies: who runs this needs to trust no server. */

export type Mode = 1 | 2 | 3 | 4; // lucky, shuffled, equal, named

export interface PacketProof {
  packetId: string;
  total: number;
  count: number;
  mode: number;
  receiverId: string;
  commitment: Uint8Array;
  clientSeed: Uint8Array;
  serverSeed: Uint8Array;
}

const utf8 = new TextEncoder();
const DRAW_RANGE = 1n << 64n;

function integer(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => Number((value >> BigInt(8 * (bytes - 1 - at))) & 0xffn));
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function hmacKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", join(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** The numbered draws of one packet. */
class Stream {
  private next = 0n;
  constructor(private key: CryptoKey) {}

  /** A number uniform on 0 … m-1; draws from the uneven rest of the range are rejected. */
  async below(m: bigint): Promise<bigint> {
    const bound = DRAW_RANGE - (DRAW_RANGE % m);
    for (;;) {
      const block = await crypto.subtle.sign("HMAC", this.key, join(integer(this.next++, 8)));
      const draw = new DataView(block).getBigUint64(0);
      if (draw < bound) return draw % m;
    }
  }
}

async function luckyShares(total: number, count: number, stream: Stream): Promise<number[]> {
  const shares: number[] = [];
  let remaining = BigInt(total);
  for (let left = BigInt(count); left > 0n; left--) {
    let share = remaining;
    if (left > 1n) {
      const twice = 2n * (remaining - left);
      const wider = (await stream.below(left)) < twice % left ? 1n : 0n;
      share = 1n + (await stream.below(twice / left + 1n + wider));
    }
    shares.push(Number(share));
    remaining -= share;
  }
  return shares;
}

async function allShares(proof: PacketProof, stream: Stream): Promise<number[]> {
  if (proof.mode === 4) return [proof.total];
  if (proof.mode === 3) return Array.from({ length: proof.count }, () => proof.total / proof.count);
  const shares = await luckyShares(proof.total, proof.count, stream);
  if (proof.mode === 2) {
    for (let at = shares.length - 1; at > 0; at--) {
      const other = Number(await stream.below(BigInt(at + 1)));
      [shares[at], shares[other]] = [shares[other]!, shares[at]!];
    }
  }
  return shares;
}

/** The commitment that these seeds and terms give. */
export async function commitmentOf(proof: PacketProof): Promise<Uint8Array> {
  const head = join(integer(BigInt(proof.packetId), 16), integer(BigInt(proof.total), 8), integer(BigInt(proof.count), 4));
  const bound = proof.mode === 1 ? new Uint8Array() : join(integer(BigInt(proof.mode), 1), integer(BigInt(proof.receiverId), 16));
  const tag = utf8.encode(proof.mode === 1 ? "rp-commit-v1\0" : "rp-commit-v2\0");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(tag, head, bound, proof.serverSeed)));
}

/** All shares in opening order, or null where the server's seed is not the one it committed to. */
export async function drawAgain(proof: PacketProof): Promise<number[] | null> {
  const commitment = await commitmentOf(proof);
  if (proof.commitment.length !== 32 || commitment.some((byte, at) => byte !== proof.commitment[at])) return null;
  const message = join(utf8.encode("rp-key-v1\0"), proof.commitment, proof.clientSeed);
  const key = new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(proof.serverSeed), message));
  return allShares(proof, new Stream(await hmacKey(key)));
}
