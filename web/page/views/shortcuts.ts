/** Keys that work everywhere in the chats. */
import { useEffect } from "preact/hooks";
import { groups, openGroupId, unreadOf } from "../state/chats.ts";
import { panel, showChat } from "../state/navigation.ts";

function step(by: 1 | -1, onlyUnread: boolean): void {
  const list = groups.value.filter((group) => !onlyUnread || unreadOf(group) > 0 || group.group_id === openGroupId.value);
  const at = list.findIndex((group) => group.group_id === openGroupId.value);
  const next = list[at < 0 ? 0 : at + by];
  if (next) showChat(next.group_id);
}

function pressed(event: KeyboardEvent): void {
  if (event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    step(event.key === "ArrowDown" ? 1 : -1, event.shiftKey);
    event.preventDefault();
  } else if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    panel.value = "chats";
    requestAnimationFrame(() => document.getElementById("find-chat")?.focus());
    event.preventDefault();
  }
}

export function useShortcuts(): void {
  useEffect(() => {
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
