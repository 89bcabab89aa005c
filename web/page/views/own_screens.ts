/** What stands in place of the list of chats, and opens from there: one chunk. */
export { KeysDialog } from "./keys.tsx";
export { MePanel } from "./me.tsx";
export { NewChatPanel } from "./new_chat.tsx";
