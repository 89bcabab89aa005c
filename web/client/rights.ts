/** Who may do what in a group, by the generated table; the server decides, this only says what to offer. */
import { RIGHTS, type Group } from "./protocol.gen.ts";

const DIRECT = 2;
const EVERYBODY = 1;

export type Operation = keyof typeof RIGHTS;

/** Whether I may do it in this group; `targetRole` is the role of the one it is done to, where there is one. */
export function may(operation: Operation, group: Group, targetRole?: number): boolean {
  const { least, direct, higher } = RIGHTS[operation];
  if (group.kind === DIRECT && !direct) return false;
  const role = typeof least === "number" ? least : group.kind === DIRECT ? EVERYBODY : group.rules[least];
  return group.role >= role && !(higher && targetRole !== undefined && targetRole >= group.role);
}
