/** Whom a text mentions: the cases that people type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findMentions, partialMention } from "../mentions.ts";
import type { Id } from "../protocol.gen.ts";

const PEOPLE = [
  { user_id: "1" as Id, name: "bob", nickname: "" },
  { user_id: "2" as Id, name: "bobby", nickname: "王小明" },
  { user_id: "3" as Id, name: "小明", nickname: "the cook" },
  { user_id: "4" as Id, name: "zoé", nickname: "the cook" },
];

const CASES: [string, string[], boolean][] = [
  ["hi @bob!", ["1"], false],
  ["@BOB and @Bobby", ["1", "2"], false],
  ["@bobb", [], false],
  ["你好@小明你来吗", ["3"], false],
  ["@王小明", ["2"], false],
  ["@the cook, please", ["3", "4"], false],
  ["@zoe\u0301", ["4"], false],
  ["mail bob@bob.example", [], false],
  ["@@bob", [], false],
  ["＠bob", ["1"], false],
  ["@all @bob", ["1"], true],
  ["@所有人开会", [], true],
  ["@allow", [], false],
];

for (const [text, mentions, all] of CASES) {
  test(`mentions in ${JSON.stringify(text)}`, () => assert.deepEqual(findMentions(text, PEOPLE), { mentions, all }));
}

test("a name is being typed from the sign to the caret, and nowhere else", () => {
  for (const [text, partial] of [["@", ""], ["hi @bo", "bo"], ["你好@小", "小"], ["a@b", null], ["@bob ", null], ["", null], ["@@b", null]] as const) {
    assert.equal(partialMention(text), partial, text);
  }
});
