/** People by their names. */
import type { Id } from "../../client/protocol.gen.ts";
import { connection, me } from "./session.ts";

export class NobodyCalled extends Error {}

/** The ids of people by their names. Throws NobodyCalled. */
export async function findPeople(names: string[]): Promise<Id[]> {
  if (!names.length) return [];
  const { people } = await connection.request("FindPeople", { names });
  const found = new Set(people.map(({ name }) => name.toLowerCase()));
  const missing = names.find((name) => !found.has(name.toLowerCase()));
  if (missing) throw new NobodyCalled(missing);
  return people.map(({ user_id }) => user_id).filter((id) => id !== me.value?.user_id);
}

/** The names in a line, however they are separated. */
export function namesIn(line: string): string[] {
  return line.split(/[\s,，、]+/).filter(Boolean);
}
