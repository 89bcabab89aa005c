/** My reactions to messages. */
import type { Id } from "../../client/protocol.gen.ts";
import type { MessageRow } from "./rows.ts";
import { connection, me } from "./session.ts";

/** Put my reaction to a message, or take it away where it is there. Throws RefusedError. */
export async function react(group_id: Id, row: MessageRow, emoji: string): Promise<void> {
  const has = row.reactions.some((reaction) => reaction.emoji === emoji && reaction.people.some(({ id }) => id === me.value?.user_id));
  await connection.change("React", { group_id, of: row.seq, emoji, on: !has });
}
