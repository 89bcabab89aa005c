/** What holds a part of the page that may fail, or is loaded when it is needed: then that is said, and the rest goes on. */
import type { ComponentChildren } from "preact";
import { Suspense } from "preact/compat";
import { useErrorBoundary } from "preact/hooks";
import { words } from "../words/index.ts";

/** Scripts of an older page are gone after an upgrade of the server, and without a network none comes: a reload mends both. */
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
  return <Suspense fallback={null}>{children}</Suspense>;
}
