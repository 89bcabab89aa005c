// A hidden page's own timers run once a minute; those of a worker run on time.
const running = new Map();
onmessage = ({ data: { id, ms } }) => {
  clearTimeout(running.get(id));
  if (ms === null) {
    running.delete(id);
    return;
  }
  running.set(id, setTimeout(() => {
    running.delete(id);
    postMessage(id);
  }, ms));
};
