// For push alone. There is no `fetch` handler: what is loaded comes from the server each time.
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("notificationclick", (event) => {
  event.notification.close();
  const group = event.notification.data?.group ?? "";
  event.waitUntil((async () => {
    const [open] = await clients.matchAll({ type: "window", includeUncontrolled: true });
    if (!open) return clients.openWindow(`/#chat=${group}`);
    open.postMessage({ open: group });
    return open.focus();
  })());
});
