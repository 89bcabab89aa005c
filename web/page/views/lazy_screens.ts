/** The screens that are not in the first script. Few chunks: each is a request, and what two of them share is one more. */
import { lazy } from "../parts/lazy.tsx";
import { Chunk } from "../state/chunk.ts";
import { panel } from "../state/navigation.ts";

const chat = new Chunk(() => import("./chat_screens.ts"));
const own = new Chunk(() => import("./own_screens.ts"));
const operate = new Chunk(() => import("./operator.tsx"));
const toChats = (): void => void (panel.value = "chats");

export const ForwardDialog = lazy(chat, (screens) => screens.ForwardDialog);
export const GroupDialog = lazy(chat, (screens) => screens.GroupDialog);
export const MediaDialog = lazy(chat, (screens) => screens.MediaDialog);
export const MessageMenu = lazy(chat, (screens) => screens.MessageMenu);
export const PacketDialog = lazy(chat, (screens) => screens.PacketDialog);
export const PersonDialog = lazy(chat, (screens) => screens.PersonDialog);
export const PinsDialog = lazy(chat, (screens) => screens.PinsDialog);
export const ReceiptsDialog = lazy(chat, (screens) => screens.ReceiptsDialog);
export const RecordingBar = lazy(chat, (screens) => screens.RecordingBar);
export const ReportDialog = lazy(chat, (screens) => screens.ReportDialog);
export const SearchDialog = lazy(chat, (screens) => screens.SearchDialog);
export const SendPacketDialog = lazy(chat, (screens) => screens.SendPacketDialog);
export const VersionsDialog = lazy(chat, (screens) => screens.VersionsDialog);
export const Viewer = lazy(chat, (screens) => screens.Viewer);
export const KeysDialog = lazy(own, (screens) => screens.KeysDialog);
export const MePanel = lazy(own, (screens) => screens.MePanel, toChats);
export const OperatorScreen = lazy(operate, (screens) => screens.OperatorScreen);
export const NewChatPanel = lazy(own, (screens) => screens.NewChatPanel, toChats);

/** Fetch what is likely to be opened, once the first view is drawn: then it opens at once, even if the network or the server's files are gone. */
export function fetchScreensWhenIdle(): void {
  const fetchBoth = (): void => {
    void chat.fetch();
    void own.fetch();
  };
  if ("requestIdleCallback" in globalThis) requestIdleCallback(fetchBoth, { timeout: 3000 });
  else setTimeout(fetchBoth, 1000);
}
