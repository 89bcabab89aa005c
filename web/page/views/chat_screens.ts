/** What opens over a chat: one chunk. */
export { ForwardDialog } from "./forward.tsx";
export { GroupDialog } from "./group.tsx";
export { MediaDialog } from "./media.tsx";
export { MessageMenu } from "./message_menu.tsx";
export { PacketDialog } from "./packet.tsx";
export { PersonDialog } from "./person.tsx";
export { PinsDialog } from "./pins.tsx";
export { ReceiptsDialog } from "./receipts.tsx";
export { RecordingBar } from "./recording_bar.tsx";
export { ReportDialog } from "./report.tsx";
export { SearchDialog } from "./search.tsx";
export { SendPacketDialog } from "./send_packet.tsx";
export { VersionsDialog } from "./versions.tsx";
export { Viewer } from "./viewer.tsx";
