/** A view out of a chunk: nothing until it is here, and a sentence with a way on where it cannot be fetched. */
import { type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import type { Chunk } from "../state/chunk.ts";
import { words } from "../words/index.ts";

interface Closable {
  onClose?(): void;
}

/** The view that `pick` takes out of a chunk; `onDismiss` leads away from a view that has no `onClose`. */
export function lazy<M, P extends object>(chunk: Chunk<M>, pick: (module: M) => ComponentType<P>, onDismiss?: () => void): ComponentType<P> {
  return function Lazy(props: P) {
    useEffect(() => void chunk.fetch(), []);
    const { value: module } = chunk.module;
    if (module) {
      const View = pick(module);
      return <View {...props} />;
    }
    if (!chunk.isMissing.value) return null;
    return <Missing onAgain={() => void chunk.fetch()} onDismiss={onDismiss ?? (props as Closable).onClose} />;
  };
}

/** Without a network no part comes, and a newer server has no parts of an older page: one is mended by waiting, the other by a reload. */
function Missing({ onAgain, onDismiss }: { onAgain(): void; onDismiss: (() => void) | undefined }) {
  const { value: say } = words;
  return (
    <p class="status-bar" role="alert">
      {say.notFetched}{" "}
      <button type="button" class="link" onClick={onAgain}>
        {say.again}
      </button>{" "}
      <button type="button" class="link" onClick={() => location.reload()}>
        {say.reload}
      </button>{" "}
      {onDismiss && (
        <button type="button" class="link" onClick={onDismiss}>
          {say.close}
        </button>
      )}
    </p>
  );
}
