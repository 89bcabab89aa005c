/** The service worker: it shows notifications, and the page where no network is. Everything works without it. */
import { hooks } from "./session.ts";
import { scriptUrl } from "./timers.ts";

let registration: Promise<ServiceWorkerRegistration | null> | null = null;

/** The registration, made when it is asked for first; null where the browser has none (a private window, no TLS). */
export function serviceWorker(): Promise<ServiceWorkerRegistration | null> {
  registration ??= register();
  return registration;
}

async function register(): Promise<ServiceWorkerRegistration | null> {
  const { serviceWorker: container } = navigator as { serviceWorker?: ServiceWorkerContainer };
  if (!container) return null;
  try {
    await container.register(scriptUrl("/sw.js"));
    return await container.ready;
  } catch {
    return null; // refused by the browser's settings, or the network broke: the next load tries again
  }
}

// Not before somebody is logged in: a first look at the page leaves nothing behind.
hooks.online.push(() => void serviceWorker().then((found) => found?.active?.postMessage({ kind: "keep_shell" })));
