/** Every vector of protocol/vectors, against the codec. The folder's path is in CHATSRV_VECTORS. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toHex } from "../client_id.ts";
import { type Body, decode, encode, FrameError } from "../codec.ts";
import { type FieldType, shapeOf } from "../shapes.ts";

interface Vector {
  name: string;
  type: string;
  request_id: number;
  canonical: boolean;
  frame: string;
  value: Body;
}

const folder = process.env["CHATSRV_VECTORS"] ?? "";
const load = <T>(name: string): T => JSON.parse(readFileSync(`${folder}/${name}`, "utf8")) as T;
const valid = readdirSync(folder).filter((name) => name.startsWith("valid-")).flatMap((name) => load<Vector[]>(name));

/** A value of the vectors' JSON as the codec has it: bytes are hex there. */
function fromJson(type: FieldType, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (type.code === "y") return fromHex(value as string);
  if (type.code === "n") return Number(value);
  if (type.element) return (value as unknown[]).map((element) => fromJson(type.element!, element));
  return type.struct ? bodyFromJson(type.struct, value as Body) : value;
}

function bodyFromJson(name: string, value: Body): Body {
  return Object.fromEntries(shapeOf(name).fields.map((field) => [field.name, fromJson(field, value[field.name])]));
}

test("valid frames decode to their values", () => {
  assert.ok(valid.length > 400);
  for (const vector of valid) {
    const [frame] = decode(fromHex(vector.frame));
    assert.equal(frame?.name, vector.type, vector.name);
    assert.equal(frame?.requestId, vector.request_id, vector.name);
    assert.deepEqual(frame?.body, bodyFromJson(vector.type, vector.value), vector.name);
  }
});

test("canonical values encode to their frames", () => {
  const canonical = valid.filter((vector) => vector.canonical);
  assert.ok(canonical.length > 300);
  for (const vector of canonical) {
    assert.equal(toHex(encode(vector.type, vector.request_id, bodyFromJson(vector.type, vector.value))), vector.frame, vector.name);
  }
});

test("of unknown events the place is read", () => {
  for (const vector of load<{ name: string; frame: string; value: { group_id: string; seq: string; number: number } }[]>("unknown-events.json")) {
    const [frame] = decode(fromHex(vector.frame));
    const { group_id, seq, number } = vector.value;
    assert.deepEqual([frame?.name, frame?.number, frame?.body], ["", number, { group_id, seq: Number(seq) }], vector.name);
  }
});

test("what ends a connection as broken does not decode", () => {
  const broken = load<{ name: string; body: string; code: string }[]>("invalid.json").filter(({ code }) => code === "frame_broken");
  assert.ok(broken.length > 10);
  for (const { name, body } of broken) {
    const frame = new Uint8Array([...new Uint8Array(new Uint32Array([0]).buffer), ...fromHex(body)]);
    new DataView(frame.buffer).setUint32(0, frame.length - 4);
    assert.throws(() => decode(frame), FrameError, name);
  }
});

test("whole conversations decode", () => {
  const talks = load<{ frames?: unknown[] }[] | Record<string, unknown>>("handshake.json");
  const frames = JSON.stringify(talks).match(/"frame": ?"[0-9a-f]+"/g) ?? [];
  assert.ok(frames.length > 5);
  for (const found of frames) decode(fromHex(found.replace(/^.*"([0-9a-f]+)"$/, "$1")));
});
