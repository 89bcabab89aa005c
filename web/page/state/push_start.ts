/** Looks after notifications by a push service where this device has them; the rest is fetched then, and not before. */
import { hooks } from "./session.ts";
import { storage } from "./storage.ts";

/** What the server has of this device: `text` or `count`, and the endpoint. */
export const PUSH_KEY = "chatsrv.push";

/** End the browser's subscription: the server's ended with the session, or was ended. */
export async function forgetHere(): Promise<void> {
  storage.remove(PUSH_KEY);
  const registration = await navigator.serviceWorker.getRegistration();
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
}

hooks.online.push(() => {
  if (storage.get(PUSH_KEY) === null) return;
  import("./push.ts").then(
    ({ lookAtPush }) => lookAtPush(),
    () => undefined, // the next time it is there again
  );
});
// Whoever logs in here next has not asked for any.
hooks.forget.push(() => {
  if (storage.get(PUSH_KEY) !== null) void forgetHere();
});
