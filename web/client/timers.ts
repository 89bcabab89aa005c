/** Timers, as an interface: a hidden page must not use its own, since they run once a minute there. */
export interface Timers {
  /** Call `run` once after `ms`; answers what `cancel` takes. */
  after(ms: number, run: () => void): number;
  cancel(timer: number): void;
}

/** The timers of the program's own thread: under node, and where there is no worker. */
export class OwnTimers implements Timers {
  private next = 1;
  private running = new Map<number, ReturnType<typeof setTimeout>>();

  after(ms: number, run: () => void): number {
    const id = this.next++;
    this.running.set(
      id,
      setTimeout(() => {
        this.running.delete(id);
        run();
      }, ms),
    );
    return id;
  }

  cancel(timer: number): void {
    clearTimeout(this.running.get(timer));
    this.running.delete(timer);
  }
}
