/** Timers that run on time in a hidden tab too: a worker's. And the one Trusted Types policy of the page. */
import { OwnTimers, type Timers } from "../../client/timers.ts";

interface Policy {
  createScriptURL(url: string): string;
}
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
}

const SCRIPTS = new Set(["/beat.js", "/sw.js"]);
const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
const policy = trusted?.createPolicy("chatsrv", {
  createScriptURL: (url) => {
    if (!SCRIPTS.has(url)) throw new TypeError(`not a script of this page: ${url}`);
    return url;
  },
});

/** The address of a script as its sink takes it. */
export function scriptUrl(url: "/beat.js" | "/sw.js"): string {
  return policy?.createScriptURL(url) ?? url;
}

class WorkerTimers implements Timers {
  private next = 1;
  private running = new Map<number, () => void>();

  constructor(private worker: Worker) {
    worker.onmessage = ({ data }: MessageEvent<number>) => {
      const run = this.running.get(data);
      this.running.delete(data);
      run?.();
    };
  }

  after(ms: number, run: () => void): number {
    const id = this.next++;
    this.running.set(id, run);
    this.worker.postMessage({ id, ms });
    return id;
  }

  cancel(timer: number): void {
    if (this.running.delete(timer)) this.worker.postMessage({ id: timer, ms: null });
  }
}

function makeTimers(): Timers {
  try {
    return new WorkerTimers(new Worker(scriptUrl("/beat.js")));
  } catch {
    return new OwnTimers(); // no workers here: a hidden tab may lose its connection, and heals when it is shown
  }
}

export const timers = makeTimers();
