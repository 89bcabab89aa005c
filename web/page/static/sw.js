// Shows notifications, and the page where there is no network. With a network everything comes from the server each time:
// what is kept here is answered only where the server could not be reached.
const SHELL = "chatsrv-shell";
const PAGES = new Set(["/", "/index.html"]);

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("message", (event) => {
  const { kind, ...notification } = event.data ?? {};
  if (kind === "keep_shell") event.waitUntil(keepShell());
  if (kind === "notify") event.waitUntil(notify(notification));
});

/** Keep the files of the page that the server has now, and no others. */
async function keepShell() {
  try {
    const answer = await fetch("/shell.json", { cache: "no-store" });
    if (!answer.ok) return;
    const files = await answer.json();
    const cache = await caches.open(SHELL);
    const kept = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
    const hashed = (name) => /-[0-9A-Z]{8}\.(js|css)$/.test(name);
    await cache.addAll(files.filter((name) => !kept.has(name) || !hashed(name)));
    for (const name of kept) if (!files.includes(name)) await cache.delete(name);
  } catch {
    // no network, or no room: what was kept stays
  }
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  const isPage = request.mode === "navigate" && PAGES.has(pathname);
  if (!isPage && !/^\/[\w.-]+\.(js|css|svg|png|webmanifest)$/.test(pathname)) return;
  event.respondWith(fetch(request).catch(async (error) => {
    const kept = await caches.match(isPage ? "/" : pathname);
    if (!kept) throw error;
    return kept;
  }));
});

/** One notification for each chat, unless somebody looks at the page. */
async function notify({ group, seq, title, body }) {
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  if (open.some((client) => client.visibilityState === "visible")) return;
  await registration.showNotification(title, { tag: `chat-${group}`, body, data: { group, seq }, icon: "/icon.svg" });
}

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const group = event.notification.data?.group ?? "";
  event.waitUntil((async () => {
    const [open] = await clients.matchAll({ type: "window", includeUncontrolled: true });
    if (!open) return clients.openWindow(`/#chat=${group}`);
    open.postMessage({ open: group });
    return open.focus().catch(() => undefined);
  })());
});

// A push service brought a notice: what it says is in the wire specification, at SubscribePush.
addEventListener("push", (event) => event.waitUntil(showPush(event.data)));

/** The words of the language that was chosen in the page, which keeps them here; English where none are. */
async function pushWords() {
  const english = { one: "1 unread message", many: "{count} unread messages", called: "You were mentioned" };
  const kept = await caches.match("/push-words").catch(() => undefined);
  return kept ? { ...english, ...(await kept.json()) } : english;
}

async function showPush(data) {
  const say = await pushWords();
  let told = {};
  try {
    told = data.json();
  } catch {
    // of another version of the server, or nothing: browsers want something shown
  }
  const { group = "", seq = 0, name = "chatsrv", count = 1, mentions = 0, by, text } = told;
  const unread = count === 1 ? say.one : say.many.replace("{count}", count);
  const body = text ? `${by}: ${text}` : [by, mentions ? say.called : "", unread].filter(Boolean).join(" · ");
  await notify({ group, seq, title: name, body });
}

// The page brings the server the new subscription when it is opened; one without a server is of no use until then.
addEventListener("pushsubscriptionchange", (event) => {
  const { newSubscription, oldSubscription } = event;
  if (!newSubscription && oldSubscription) event.waitUntil(registration.pushManager.subscribe(oldSubscription.options).catch(() => undefined));
});
