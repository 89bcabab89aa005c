import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "../connection.ts";
import { DeliveredMarks } from "../delivered.ts";
import { ConnectionLost } from "../errors.ts";
import type { Group } from "../protocol.gen.ts";
import { ManualTimers, settle } from "./fake_server.ts";

const group = (group_id: string, seq: number, delivered_seq = 0, read_seq = 0) => ({ group_id, seq, delivered_seq, read_seq }) as Group;

function start(isBroken = () => false) {
  const asked: string[] = [];
  const timers = new ManualTimers();
  const connection = {
    request: (name: string, { marks }: { marks: { group_id: string; after: number }[] }) => {
      asked.push(`${name} ${marks.map(({ group_id, after }) => `${group_id}:${after}`).join(" ")}`);
      return isBroken() ? Promise.reject(new ConnectionLost("cut")) : Promise.resolve({});
    },
  } as unknown as Connection;
  return { asked, timers, marks: new DeliveredMarks(connection, timers) };
}

test("a flood is told at once and then after three seconds, with the newest place of each group", async () => {
  const { asked, timers, marks } = start();
  for (let seq = 1; seq <= 50; seq++) marks.note([group("1", seq), group("2", 7)]);
  assert.deepEqual(asked, ["Delivered 1:1 2:7"]);
  await timers.advance(2999);
  assert.equal(asked.length, 1);
  await timers.advance(3000);
  assert.equal(asked.length, 1);
  await timers.advance(500);
  assert.deepEqual(asked, ["Delivered 1:1 2:7", "Delivered 1:50"]);
  for (let turn = 0; turn < 3; turn++) await timers.advance(9000);
  assert.equal(asked.length, 2);
});

test("what is due goes with the next event", async () => {
  const { asked, timers, marks } = start();
  for (let seq = 1; seq <= 2; seq++) marks.note([group("1", seq)]);
  await timers.advance(3000);
  marks.note([group("1", 3)]);
  assert.deepEqual(asked, ["Delivered 1:1", "Delivered 1:3"]);
  marks.note([group("1", 4)]);
  await timers.advance(500);
  assert.equal(asked.length, 2);
});

test("what is known or read already is not told", () => {
  const { asked, marks } = start();
  marks.note([group("1", 9, 9), group("2", 9, 0, 9)]);
  assert.deepEqual(asked, []);
});

test("what was lost is told again, and 200 groups at a time", async () => {
  let isBroken = true;
  const { asked, timers, marks } = start(() => isBroken);
  const all = Array.from({ length: 250 }, (_, number) => group(String(number + 1), 5));
  marks.note(all);
  await settle();
  isBroken = false;
  marks.note(all);
  for (let turn = 0; turn < 6; turn++) await timers.advance(3000);
  assert.deepEqual(asked.map((line) => line.split(" ").length - 1), [200, 200, 50]);
});
