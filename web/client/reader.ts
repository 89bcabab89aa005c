/** Reads the part of msgpack that the protocol uses. Everything else, and whatever is cut, is a FrameError. */
import { LIMITS } from "./protocol.gen.ts";

/** Bytes that are no frame of this protocol. */
export class FrameError extends Error {
  override name = "FrameError";
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const MAX_SKIP_DEPTH = 16;

export class Reader {
  private view: DataView;

  constructor(
    private data: Uint8Array,
    private at: number,
    private end: number,
  ) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get isAtEnd(): boolean {
    return this.at === this.end;
  }

  /** Take a nil, if one is next. */
  takesNil(): boolean {
    if (this.at >= this.end || this.data[this.at] !== 0xc0) return false;
    this.at++;
    return true;
  }

  boolean(): boolean {
    const tag = this.byte();
    if (tag !== 0xc2 && tag !== 0xc3) throw new FrameError("expected a boolean");
    return tag === 0xc3;
  }

  number(): number {
    const value = Number(this.integer(this.byte()));
    if (!Number.isSafeInteger(value)) throw new FrameError("an integer beyond 2^53-1");
    return value;
  }

  id(): string {
    return String(this.integer(this.byte()));
  }

  string(): string {
    const tag = this.byte();
    const length = (tag & 0xe0) === 0xa0 ? tag & 0x1f : this.length(tag, 0xd9);
    const at = this.take(length);
    try {
      return utf8.decode(this.data.subarray(at, at + length));
    } catch {
      throw new FrameError("a string that is not UTF-8");
    }
  }

  bytes(): Uint8Array {
    const length = this.length(this.byte(), 0xc4);
    const at = this.take(length);
    return this.data.slice(at, at + length);
  }

  array(): number {
    const tag = this.byte();
    let length: number;
    if ((tag & 0xf0) === 0x90) length = tag & 0x0f;
    else if (tag === 0xdc) length = this.view.getUint16(this.take(2));
    else if (tag === 0xdd) length = this.view.getUint32(this.take(4));
    else throw new FrameError("expected an array");
    if (length > LIMITS.MAX_ARRAY) throw new FrameError(`an array of ${length} elements`);
    return length;
  }

  /** Pass over a value that this version does not know: anything but maps and extensions. */
  skip(depth = 0): void {
    if (depth > MAX_SKIP_DEPTH) throw new FrameError("nested too deep");
    const tag = this.byte();
    if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return;
    if ((tag & 0xf0) === 0x90 || tag === 0xdc || tag === 0xdd) {
      this.at--;
      for (let left = this.array(); left > 0; left--) this.skip(depth + 1);
    } else if ((tag & 0xe0) === 0xa0 || (tag >= 0xd9 && tag <= 0xdb)) {
      this.at--;
      this.string();
    } else if (tag >= 0xc4 && tag <= 0xc6) this.take(this.length(tag, 0xc4));
    else if (tag === 0xca) this.take(4);
    else if (tag === 0xcb) this.take(8);
    else this.integer(tag);
  }

  private integer(tag: number): number | bigint {
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xcc:
        return this.byte();
      case 0xcd:
        return this.view.getUint16(this.take(2));
      case 0xce:
        return this.view.getUint32(this.take(4));
      case 0xcf:
        return this.view.getBigUint64(this.take(8));
      case 0xd0:
        return this.view.getInt8(this.take(1));
      case 0xd1:
        return this.view.getInt16(this.take(2));
      case 0xd2:
        return this.view.getInt32(this.take(4));
      case 0xd3:
        return this.view.getBigInt64(this.take(8));
      default:
        throw new FrameError("expected an integer");
    }
  }

  private length(tag: number, first: number): number {
    if (tag === first) return this.byte();
    if (tag === first + 1) return this.view.getUint16(this.take(2));
    if (tag === first + 2) return this.view.getUint32(this.take(4));
    throw new FrameError(first === 0xd9 ? "expected a string" : "expected bytes");
  }

  private byte(): number {
    return this.view.getUint8(this.take(1));
  }

  private take(count: number): number {
    const at = this.at;
    if (count > this.end - at) throw new FrameError("a value is cut");
    this.at = at + count;
    return at;
  }
}
