/** What holds a part of the page that may fail: then that is said, and the rest goes on. */
import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { words } from "../words/index.ts";

export function Boundary({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary((failure: unknown) => console.warn(failure));
  if (error !== undefined) {
    return (
      <p class="status-bar" role="alert">
        {words.value.notLoaded}{" "}
        <button type="button" class="link" onClick={() => location.reload()}>
          {words.value.reload}
        </button>{" "}
        <button type="button" class="link" onClick={reset}>
          {words.value.close}
        </button>
      </p>
    );
  }
  return <>{children}</>;
}
