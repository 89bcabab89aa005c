/** A wallet's statement, put together of pages that are asked for in any order while money comes and goes. */
import type { Id, StatementLine } from "./protocol.gen.ts";

export interface StatementPage {
  /** The transfer that all of these are older than; "0": they are the latest. */
  before: Id;
  lines: readonly StatementLine[];
  /** There are others before them. */
  more: boolean;
}

/** A statement as far as it was fetched, the latest transfer first and without a hole. */
export interface Statement {
  lines: readonly StatementLine[];
  isComplete: boolean;
}

/** The statement with a page that was asked for, however it changed meanwhile. */
export function withPage(now: Statement, { before, lines, more }: StatementPage): Statement {
  const newest = now.lines[0];
  if (before === "0") {
    if (newest && (!lines[0] || BigInt(lines[0].transfer_id) < BigInt(newest.transfer_id))) return now; // a later answer came first
    const known = newest ? lines.findIndex(({ transfer_id }) => transfer_id === newest.transfer_id) : -1;
    return known < 0 ? { lines, isComplete: !more } : { ...now, lines: [...lines.slice(0, known), ...now.lines] };
  }
  if (now.lines.at(-1)?.transfer_id !== before) return now; // it was begun anew
  return { lines: [...now.lines, ...lines], isComplete: !more || !lines.length };
}
