/** My profile as others see it, the same on all my devices. */
import { signal } from "@preact/signals";
import { personalListeners } from "./chats.ts";
import { connection, hooks } from "./session.ts";

/** What others see beside my name; empty: nothing. */
export const nickname = signal("");

/** Change it here and on all my devices. Throws RefusedError, ConnectionLost. */
export async function setNickname(wanted: string): Promise<void> {
  nickname.value = (await connection.request("SetProfile", { nickname: wanted })).profile.nickname;
}

personalListeners.push((event) => {
  if (event.name === "ProfileChanged") nickname.value = event.body.profile.nickname;
});
hooks.online.push(({ user_id }) => {
  connection.request("GetProfiles", { people: [user_id] }).then(
    ({ profiles }) => (nickname.value = profiles[0]?.nickname ?? ""),
    () => undefined, // the next login asks again
  );
});
hooks.forget.push(() => (nickname.value = ""));
