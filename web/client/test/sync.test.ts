import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, type OutboxEntry, type Store } from "../outbox.ts";
import type { Group, Id } from "../protocol.gen.ts";
import { type AnyEvent, Sync } from "../sync.ts";
import { connect, FakeServer, ManualTimers, settle } from "./fake_server.ts";

const GROUP = "7" as Id;
const group = (seq: number): Partial<Group> => ({ group_id: GROUP, name: "g", role: 1, members: 2, seq, ordinal: seq, read_seq: 0, read_ordinal: 0, own_above: 0, visible_from: 0, history: true });
const message = (seq: number) => ({ group_id: GROUP, seq, id: String(100 + seq), ordinal: seq, sender_id: "2", sender: "bob", sent_at: 0, kind: 1, text: `m${seq}` });

function start(head: number) {
  const server = new FakeServer();
  const timers = new ManualTimers();
  let stored = head;
  server.handlers["ListGroups"] = () => ["Groups", { groups: [group(stored)], more: false, user_version: 1, reset: false }];
  server.handlers["History"] = (body, socket, frame) => {
    const after = Number(body["after"]);
    for (let seq = after + 1; seq <= stored; seq++) socket.deliver("Message", frame.requestId, message(seq));
    return ["Page", { group_id: GROUP, first: stored > after ? after + 1 : 0, last: stored > after ? stored : 0, more: false, seq: stored }];
  };
  const seen: number[] = [];
  const connection = connect(server, timers, { online: () => void sync.refresh(), received: (frames) => sync.take(frames) });
  const sync = new Sync(connection, {
    groupsChanged() {},
    eventsArrived: (_group, events: AnyEvent[]) => seen.push(...events.map((event) => (event.body as { seq: number }).seq)),
    fellBehind() {},
    personalEvent() {},
  }, timers);
  return { server, timers, connection, sync, seen, store: (seq: number) => (stored = seq) };
}

test("events come in order, without gaps, once", async () => {
  const { server, sync, seen, store } = start(2);
  await settle();
  sync.follow(GROUP, 2);
  store(5);
  for (const seq of [3, 3, 5]) server.socket.deliver("Message", 0, message(seq));
  await settle();
  await settle();
  server.socket.deliver("Message", 0, message(6));
  await settle();
  assert.deepEqual(seen, [3, 4, 5, 6]);
});

test("what was missed while offline is fetched after the next login", async () => {
  const { server, timers, sync, seen, store } = start(2);
  await settle();
  sync.follow(GROUP, 2);
  server.socket.cut();
  store(4);
  await timers.advance(1000);
  await settle();
  assert.deepEqual(seen, [3, 4]);
});

test("reading moves the cursor here before the server answers", async () => {
  const { server, sync } = start(4);
  await settle();
  sync.markRead(GROUP, 4);
  assert.equal(sync.groups.get(GROUP)!.read_ordinal, 4);
  assert.equal(server.count("MarkRead"), 1);
});

test("what was read without a connection stays read, and is told to the server after the next login", async () => {
  const { server, timers, sync } = start(4);
  const marked: unknown[] = [];
  server.handlers["MarkRead"] = (body) => {
    marked.push(body["seq"]);
    return ["Done", {}];
  };
  await settle();
  server.socket.cut();
  sync.markRead(GROUP, 3);
  await timers.advance(1000);
  await settle();
  assert.equal(sync.groups.get(GROUP)!.read_seq, 3);
  assert.deepEqual(marked, [3]);
});

test("what a busy server refuses to tell is asked again", async () => {
  const { server, timers, sync, seen, store } = start(2);
  const { ListGroups, History } = server.handlers;
  const busy = (): [string, Record<string, unknown>] => ["Refused", { code: "server_busy", message: "no", at: null, retry_after: 0 }];
  server.handlers["ListGroups"] = busy;
  await settle();
  assert.equal(sync.groups.size, 0);
  server.handlers["ListGroups"] = ListGroups!;
  await timers.advance(1000);
  assert.equal(sync.groups.size, 1);
  sync.follow(GROUP, 2);
  server.handlers["History"] = busy;
  store(4);
  server.socket.deliver("Message", 0, message(4));
  await settle();
  server.handlers["History"] = History!;
  await timers.advance(1000);
  assert.deepEqual(seen, [3, 4]);
});

test("what comes while the list is fetched is not undone by pages that are older", async () => {
  const { server, sync } = start(2);
  const left = "8" as Id;
  const joined = "9" as Id;
  server.handlers["ListGroups"] = (body, socket) => {
    if (body["after"] === "0") return ["Groups", { groups: [group(2), { ...group(2), group_id: left }], more: true, user_version: 1, reset: false }];
    socket.deliver("Message", 0, message(3));
    socket.deliver("Removed", 0, { group_id: left, seq: 3, user_version: 2, reason: 1 });
    socket.deliver("Added", 0, { group: { ...group(5), group_id: joined }, user_version: 3 });
    socket.deliver("QuietSet", 0, { group_id: GROUP, quiet: true, user_version: 4 });
    socket.deliver("Message", 0, { ...message(6), group_id: joined });
    return ["Groups", { groups: [{ ...group(6), group_id: joined }], more: false, user_version: 1, reset: false }];
  };
  await settle();
  await settle();
  assert.deepEqual([...sync.groups.keys()], [GROUP, joined]);
  assert.equal(sync.groups.get(GROUP)!.ordinal, 3);
  assert.equal(sync.groups.get(GROUP)!.last?.text, "m3");
  assert.equal(sync.groups.get(GROUP)!.quiet, true);
  assert.equal(sync.groups.get(joined)!.ordinal, 6);
});

test("a list that was fetched in a flood is there at once, and is fetched once more", async () => {
  const { server, timers, sync, store } = start(2);
  const { ListGroups } = server.handlers;
  server.handlers["ListGroups"] = (body, socket, frame) => {
    for (let seq = 3; seq <= 5100; seq++) socket.deliver("Message", 0, message(seq));
    return ListGroups!(body, socket, frame);
  };
  await settle();
  assert.ok(sync.groups.get(GROUP)!.ordinal > 2);
  server.handlers["ListGroups"] = ListGroups!;
  store(5100);
  await timers.advance(1000);
  assert.equal(sync.groups.get(GROUP)!.ordinal, 5100);
  assert.equal(server.count("ListGroups"), 2);
});

test("a flood that is read as it comes is marked at once, and then by the latest place only", async () => {
  const { server, timers, sync } = start(50);
  const marked: unknown[] = [];
  server.handlers["MarkRead"] = (body) => {
    marked.push(body["seq"]);
    return ["Done", {}];
  };
  await settle();
  for (let seq = 1; seq <= 40; seq++) sync.markRead(GROUP, seq);
  assert.deepEqual(marked, [1]);
  await timers.advance(300);
  assert.deepEqual(marked, [1, 40]);
  sync.markRead(GROUP, 41);
  sync.readMarks.flush(); // the page is about to go
  assert.deepEqual(marked, [1, 40, 41]);
  await timers.advance(1000);
  assert.deepEqual(marked, [1, 40, 41]);
});

class MemoryStore implements Store {
  data = new Map<string, string>();
  keys = () => [...this.data.keys()];
  get = (key: string) => this.data.get(key) ?? null;
  set = (key: string, value: string) => void this.data.set(key, value);
  remove = (key: string) => void this.data.delete(key);
}

test("an outbox survives its page, and sends each message once and in order", async () => {
  const { server, timers, connection } = start(0);
  await settle();
  const store = new MemoryStore();
  const ids: unknown[] = [];
  let answering = false;
  server.handlers["Send"] = (body) => {
    ids.push(body["client_id"]);
    return answering ? ["Sent", { group_id: GROUP, seq: 1, id: "9", ordinal: 1, sent_at: 0 }] : null;
  };
  const before = new Outbox(connection, store, "1" as Id, () => {});
  before.add({ groupId: GROUP, text: "one", mediaId: null, extra: null });
  before.add({ groupId: GROUP, text: "two", mediaId: null, extra: null });
  await settle();
  assert.equal(server.count("Send"), 1);
  connection.stop(); // the tab is closed
  await settle();
  answering = true;
  connection.start({ kind: "token", token: new Uint8Array(32) });
  await timers.advance(0);
  await settle();
  let entries: readonly OutboxEntry[] = [];
  const after = new Outbox(connection, store, "1" as Id, (now) => (entries = now));
  after.flush();
  await settle();
  await settle();
  const sent = server.heard.filter((frame) => frame.name === "Send").map((frame) => frame.body["text"]);
  assert.deepEqual(sent, ["one", "one", "two"]);
  assert.deepEqual(ids[0], ids[1]);
  assert.deepEqual([entries.length, store.data.size], [0, 0]);
});

test("a message that waits for its file holds back later files, no text, and says after a reload that the file is lost", async () => {
  const kept = new Map<string, string>();
  const store: Store = { keys: () => [...kept.keys()], get: (key) => kept.get(key) ?? null, set: (key, value) => void kept.set(key, value), remove: (key) => void kept.delete(key) };
  const server = new FakeServer();
  const said: string[] = [];
  server.handlers["Send"] = (body) => (said.push(String(body["text"])), ["Sent", { group_id: GROUP, seq: said.length, id: "1", ordinal: said.length, sent_at: 0 }]);
  server.handlers["SendMedia"] = (body) => (said.push(String(body["caption"])), ["Sent", { group_id: GROUP, seq: said.length, id: "1", ordinal: said.length, sent_at: 0 }]);
  const connection = connect(server, new ManualTimers());
  await settle();
  const outbox = new Outbox(connection, store, "1" as Id, () => {});
  const file = { groupId: GROUP, mediaId: null, extra: null, fileName: "a.png" };
  const first = outbox.add({ ...file, text: "first" });
  const second = outbox.add({ ...file, text: "second" });
  outbox.fileIsUp(second, "9" as Id);
  outbox.add({ groupId: GROUP, text: "text", mediaId: null, extra: null });
  await settle();
  assert.deepEqual(said, ["text"]);
  let shown: readonly OutboxEntry[] = [];
  const reloaded = new Outbox(connection, store, "1" as Id, (entries) => (shown = entries));
  reloaded.flush();
  await settle();
  assert.deepEqual(said, ["text", "second"]);
  assert.deepEqual(shown.map(({ text, refusal }) => [text, refusal?.code]), [["first", "file_lost"]]);
  reloaded.expectFile(first, "b.png");
  reloaded.fileIsUp(first, "10" as Id);
  await settle();
  assert.deepEqual(said, ["text", "second", "first"]);
  assert.deepEqual([...kept.keys()], []);
});
