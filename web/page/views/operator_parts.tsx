/** What the operator's screens share: outcomes, pages of a list, and buttons that ask before they act. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { errorText } from "../words/index.ts";
import { operatorWords } from "../words/operator.ts";

/** What a command led to: a sentence, or why it was refused. `load` is for what is only looked at: it leaves the sentence. */
export function useOutcome(): { note: ComponentChildren; run(act: () => Promise<string>): void; load(act: () => Promise<void>): void } {
  const [done, setDone] = useState("");
  const [failure, setFailure] = useState("");
  const fail = (error: unknown): void => {
    if (error instanceof RefusedError) setFailure(errorText(error.code, error.message));
    else if (error instanceof ConnectionLost) setFailure(operatorWords.peek().lost);
    else throw error;
  };
  const load = (act: () => Promise<void>): void => void act().catch(fail);
  const run = (act: () => Promise<string>): void => {
    setDone("");
    setFailure("");
    act().then(setDone, fail);
  };
  const note = (
    <>
      <p role="status">{done}</p>
      {failure && <p class="error" role="alert">{failure}</p>}
    </>
  );
  return { note, run, load };
}

/** Pages of a list, fetched one after another. */
export function usePages<T>(fetchPage: (last: T | undefined) => Promise<{ rows: readonly T[]; more: boolean }>, load: (act: () => Promise<void>) => void) {
  const [rows, setRows] = useState<readonly T[]>([]);
  const [more, setMore] = useState(false);
  const fetchFrom = (before: readonly T[]): void =>
    load(async () => {
      const page = await fetchPage(before.at(-1));
      setRows([...before, ...page.rows]);
      setMore(page.more);
    });
  return { rows, more, again: () => fetchFrom([]), next: () => fetchFrom(rows) };
}

export function More({ rows, more, next }: { rows: number; more: boolean; next(): void }) {
  const { value: say } = operatorWords;
  if (more) {
    return (
      <button type="button" class="secondary" onClick={next}>
        {say.more}
      </button>
    );
  }
  return rows ? null : <p class="dim">{say.nothing}</p>;
}

/** A button that asks once more before it acts. */
export function Confirmed({ label, act }: { label: string; act(): void }) {
  const { value: say } = operatorWords;
  const [asks, setAsks] = useState(false);
  if (!asks) {
    return (
      <button type="button" class="link" onClick={() => setAsks(true)}>
        {label}
      </button>
    );
  }
  return (
    <span role="group" aria-label={label}>
      {say.sure(label)}{" "}
      <button type="button" class="link" ref={(button) => button?.focus()} onClick={() => setAsks(false)}>
        {say.no}
      </button>{" "}
      <button type="button" class="link" onClick={() => { setAsks(false); act(); }}>
        {say.yes}
      </button>
    </span>
  );
}

/** A button that opens a form of one field. */
export function Asked({ label, field, type, optional = false, button, act }: { label: string; field: string; type: "password" | "text"; optional?: boolean; button?: string; act(value: string): void }) {
  const { value: say } = operatorWords;
  const [asks, setAsks] = useState(false);
  if (!asks) {
    return (
      <button type="button" class="link" onClick={() => setAsks(true)}>
        {label}
      </button>
    );
  }
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    act(String(new FormData(event.currentTarget as HTMLFormElement).get("value")));
    setAsks(false);
  };
  return (
    <form class="inline-form" aria-label={label} onSubmit={submit}>
      <label>
        {field}{" "}
        {type === "password" ? (
          <input name="value" type="password" required maxLength={256} autocomplete="new-password" ref={(input) => input?.focus()} />
        ) : (
          <input name="value" required={!optional} maxLength={optional ? 300 : 32} autocomplete="off" ref={(input) => input?.focus()} />
        )}
      </label>
      <button class="secondary">{button ?? say.set}</button>
    </form>
  );
}
