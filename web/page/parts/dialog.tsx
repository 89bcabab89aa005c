/** A modal dialog: the browser's own, so focus goes in and comes back, and Esc closes it. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { words } from "../words/index.ts";
import { Icon } from "./icons.tsx";

interface Props {
  label: string;
  kind?: string;
  /** Whether the label stands as a heading. */
  titled?: boolean;
  onClose(): void;
  children: ComponentChildren;
}

export function Dialog({ label, kind = "", titled = true, onClose, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const close = (): void => element.current?.close();
  return (
    <dialog ref={element} class={`dialog ${kind}`} aria-label={label} onClose={onClose} onClick={(event) => event.target === element.current && close()}>
      <div class="dialog-inside">
        <header class="dialog-head">
          {titled ? <h2>{label}</h2> : <span />}
          <button type="button" class="icon-button" aria-label={words.value.close} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
