/** Frames to messages and back: a frame is a length and a msgpack array [type, request id, field, …]. */
import { type Commands, type Events, type Id, LIMITS } from "./protocol.gen.ts";
import { FrameError, Reader } from "./reader.ts";
import { byNumber, type Field, type FieldType, type Shape, shapeOf } from "./shapes.ts";
import { Writer } from "./writer.ts";

export { FrameError } from "./reader.ts";

export type Body = Record<string, unknown>;

/** One frame as it arrived. `name` is empty for a type that this version does not know. */
export interface Frame {
  name: string;
  number: number;
  requestId: number;
  body: Body;
}

/** An event with the type of its body told by its name. */
export type Event = { [N in keyof Events]: { name: N; number: number; requestId: number; body: Events[N] } }[keyof Events];

/** An event of a group's sequence that is newer than this client. */
export interface UnknownEvent {
  name: "";
  number: number;
  requestId: number;
  body: { group_id: Id; seq: number };
}

const LENGTH_BYTES = 4;

/** Whether a type's number is that of an event in a group's sequence. */
export function isSequenceEvent(number: number): boolean {
  return (number & 0xff) >= 0x80 && (number & 0xff) <= 0xbf;
}

/** Whether a type's number is that of an event at all. */
export function isEvent(number: number): boolean {
  return (number & 0xff) >= 0x80;
}

/** One frame with a command. Throws RangeError or SyntaxError for a number or id that cannot be sent. */
export function encodeCommand<N extends keyof Commands>(name: N, requestId: number, body: Commands[N]["send"]): Uint8Array<ArrayBuffer> {
  return encode(name, requestId, body as unknown as Body);
}

/** One frame with any message: for tests, which also play the server. */
export function encode(name: string, requestId: number, body: Body): Uint8Array<ArrayBuffer> {
  const shape = shapeOf(name);
  const out = new Writer();
  out.skip(LENGTH_BYTES);
  const count = countSent(shape, body);
  out.array(count + 2);
  out.number(shape.number);
  out.number(requestId);
  writeFields(out, shape, body, count);
  out.setUint32(0, out.length - LENGTH_BYTES);
  return out.finish();
}

/** The frames of one WebSocket message. Throws FrameError. */
export function decode(data: Uint8Array): Frame[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at < data.length; ) {
    if (at + LENGTH_BYTES > data.length) throw new FrameError("a length is cut");
    const start = at + LENGTH_BYTES;
    const end = start + view.getUint32(at);
    if (end > data.length) throw new FrameError("a frame is cut");
    frames.push(decodeFrame(new Reader(data, start, end)));
    at = end;
  }
  return frames;
}

function decodeFrame(input: Reader): Frame {
  const length = input.array();
  if (length < 2) throw new FrameError("a body without type and request id");
  const number = input.number();
  const requestId = input.number();
  if (requestId < 0 || requestId > LIMITS.MAX_REQUEST_ID) throw new FrameError("a request id out of bounds");
  const shape = byNumber.get(number);
  let frame: Frame;
  if (shape) frame = { name: shape.name, number, requestId, body: readFields(input, shape, length - 2) };
  else {
    let body: Body = {};
    let known = 0;
    if (isSequenceEvent(number) && length >= 4) {
      body = { group_id: input.id(), seq: input.number() };
      known = 2;
    }
    for (let left = length - 2 - known; left > 0; left--) input.skip();
    frame = { name: "", number, requestId, body };
  }
  if (!input.isAtEnd) throw new FrameError("bytes after the array");
  return frame;
}

function readFields(input: Reader, shape: Shape, length: number): Body {
  const body: Body = {};
  const { fields } = shape;
  for (const [at, field] of fields.entries()) {
    if (at < length) body[field.name] = readValue(input, field);
    else if (field.hasDefault) body[field.name] = defaultOf(field);
    else throw new FrameError(`${shape.name} without ${field.name}`);
  }
  for (let left = length - fields.length; left > 0; left--) input.skip();
  return body;
}

function readValue(input: Reader, type: FieldType): unknown {
  if (type.optional && input.takesNil()) return null;
  switch (type.code) {
    case "i":
      return input.id();
    case "n":
      return input.number();
    case "s":
      return input.string();
    case "y":
      return input.bytes();
    case "b":
      return input.boolean();
  }
  if (type.element) {
    const list: unknown[] = [];
    for (let left = input.array(); left > 0; left--) list.push(readValue(input, type.element));
    return list;
  }
  return readFields(input, shapeOf(type.struct), input.array());
}

function defaultOf(field: Field): unknown {
  if (field.fallback === "array" && field.element) return [];
  if (field.fallback === "struct" && field.struct) {
    return Object.fromEntries(shapeOf(field.struct).fields.map((inner) => [inner.name, defaultOf(inner)]));
  }
  return field.code === "y" ? new Uint8Array() : field.fallback;
}

/** How many fields have to be sent: those at the end that hold their default are left out. */
function countSent(shape: Shape, body: Body): number {
  let count = shape.fields.length;
  while (count > 0) {
    const field = shape.fields[count - 1]!;
    if (!field.hasDefault || !isDefault(body[field.name], field)) break;
    count--;
  }
  return count;
}

function isDefault(value: unknown, field: Field): boolean {
  if (value === undefined) return true;
  if (field.fallback === "array" && field.element) return Array.isArray(value) && value.length === 0;
  if (field.fallback === "struct" && field.struct && value !== null) {
    const body = value as Body;
    return shapeOf(field.struct).fields.every((inner) => inner.hasDefault && isDefault(body[inner.name], inner));
  }
  return value instanceof Uint8Array ? value.length === 0 : value === field.fallback;
}

function writeFields(out: Writer, shape: Shape, body: Body, count: number): void {
  for (const field of shape.fields.slice(0, count)) {
    const value = body[field.name];
    writeValue(out, field, value === undefined ? defaultOf(field) : value);
  }
}

function writeValue(out: Writer, type: FieldType, value: unknown): void {
  if (value === null || value === undefined) {
    if (!type.optional) throw new RangeError("a field that has to be sent is missing");
    return out.nil();
  }
  switch (type.code) {
    case "i":
      return out.id(value as string);
    case "n":
      return out.number(value as number);
    case "s":
      return out.string(value as string);
    case "y":
      return out.bytes(value as Uint8Array);
    case "b":
      return out.boolean(value as boolean);
  }
  if (type.element) {
    const list = value as unknown[];
    out.array(list.length);
    for (const element of list) writeValue(out, type.element, element);
    return;
  }
  const shape = shapeOf(type.struct);
  const count = countSent(shape, value as Body);
  out.array(count);
  writeFields(out, shape, value as Body, count);
}
