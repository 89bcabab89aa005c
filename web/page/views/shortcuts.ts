/** Keys: those that work everywhere in the chats, and those of the chat that is open. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { groups, openGroupId, unreadOf } from "../state/chats.ts";
import { keysAreShown, panel, showChat } from "../state/navigation.ts";

function step(by: 1 | -1, onlyUnread: boolean): void {
  const list = groups.value.filter((group) => !onlyUnread || unreadOf(group) > 0 || group.group_id === openGroupId.value);
  const at = list.findIndex((group) => group.group_id === openGroupId.value);
  const next = list[at < 0 ? 0 : at + by];
  if (next) showChat(next.group_id);
}

function pressed(event: KeyboardEvent): void {
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    step(event.key === "ArrowDown" ? 1 : -1, event.shiftKey);
    event.preventDefault();
  } else if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    panel.value = "chats";
    requestAnimationFrame(() => document.getElementById("find-chat")?.focus());
    event.preventDefault();
  } else if (event.key === "?" && !isTyping(event)) {
    keysAreShown.value = true;
    event.preventDefault();
  }
}

/** Whether the key is a letter of some text. */
function isTyping({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}

function useKeys(onKey: (event: KeyboardEvent) => void): void {
  const latest = useRef(onKey);
  latest.current = onKey;
  useLayoutEffect(() => {
    const heard = (event: KeyboardEvent): void => {
      if (!event.isComposing && !event.defaultPrevented && !document.querySelector("dialog[open]")) latest.current(event);
    };
    addEventListener("keydown", heard);
    return () => removeEventListener("keydown", heard);
  }, []);
}

export function useShortcuts(): void {
  useKeys(pressed);
}

/** Keys of the chat that is open. With the search open Ctrl-F is the browser's. */
export function useChatShortcuts({ search, newestPacket }: { search(): void; newestPacket(): void }): void {
  useKeys((event) => {
    const toEnd = event.key === "Escape" ? document.querySelector<HTMLElement>(".to-end") : null;
    if ((event.ctrlKey || event.metaKey) && event.key === "f") search();
    else if (toEnd) toEnd.click();
    else if (event.key === "g" && !isTyping(event) && !event.ctrlKey && !event.metaKey && !event.altKey) newestPacket();
    else return;
    event.preventDefault();
  });
}
