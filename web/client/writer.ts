/** Writes msgpack, in the shortest form of each value. */
const utf8 = new TextEncoder();

export class Writer {
  private buffer = new Uint8Array(512);
  private view = new DataView(this.buffer.buffer);
  private at = 0;

  /** Everything written so far, as a copy. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.at);
  }

  get length(): number {
    return this.at;
  }

  /** Leave `count` bytes to be set later. */
  skip(count: number): void {
    this.reserve(count);
    this.at += count;
  }

  setUint32(at: number, value: number): void {
    this.view.setUint32(at, value);
  }

  nil(): void {
    this.byte(0xc0);
  }

  boolean(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  /** An integer of at most 2⁵³−1 either way. Throws RangeError for anything else. */
  number(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`not an exact integer: ${value}`);
    if (value >= 0x100000000 || value < -0x80000000) return this.wide(BigInt(value));
    if (value >= 0) {
      if (value < 0x80) this.byte(value);
      else if (value < 0x100) this.sized(0xcc, 1, value);
      else if (value < 0x10000) this.sized(0xcd, 2, value);
      else this.sized(0xce, 4, value);
    } else if (value >= -32) this.byte(value & 0xff);
    else if (value >= -0x80) this.sized(0xd0, 1, value & 0xff);
    else if (value >= -0x8000) this.sized(0xd1, 2, value & 0xffff);
    else this.sized(0xd2, 4, value >>> 0);
  }

  /** An id in decimal. Throws SyntaxError where it is no integer. */
  id(value: string): void {
    const integer = BigInt(value);
    if (integer < 0x100000000n) this.number(Number(integer));
    else this.wide(integer);
  }

  string(value: string): void {
    const bytes = utf8.encode(value);
    if (bytes.length < 32) this.byte(0xa0 | bytes.length);
    else this.head(0xd9, bytes.length);
    this.raw(bytes);
  }

  bytes(value: Uint8Array): void {
    this.head(0xc4, value.length);
    this.raw(value);
  }

  array(length: number): void {
    if (length < 16) this.byte(0x90 | length);
    else if (length < 0x10000) this.sized(0xdc, 2, length);
    else this.sized(0xdd, 4, length);
  }

  private head(first: number, length: number): void {
    if (length < 0x100) this.sized(first, 1, length);
    else if (length < 0x10000) this.sized(first + 1, 2, length);
    else this.sized(first + 2, 4, length);
  }

  private wide(value: bigint): void {
    this.reserve(9);
    this.buffer[this.at] = value < 0n ? 0xd3 : 0xcf;
    this.view.setBigUint64(this.at + 1, BigInt.asUintN(64, value));
    this.at += 9;
  }

  private sized(tag: number, width: 1 | 2 | 4, value: number): void {
    this.reserve(5);
    this.buffer[this.at++] = tag;
    if (width === 1) this.view.setUint8(this.at, value);
    else if (width === 2) this.view.setUint16(this.at, value);
    else this.view.setUint32(this.at, value);
    this.at += width;
  }

  private byte(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  private raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  private reserve(count: number): void {
    if (this.at + count <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.at + count));
    larger.set(this.buffer);
    this.buffer = larger;
    this.view = new DataView(larger.buffer);
  }
}
