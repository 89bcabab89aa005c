/** One chat: its head, its messages and the composer, and the dialogs that open over them. */
import { lazy, Suspense } from "preact/compat";
import { useState } from "preact/hooks";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import type { RowActions } from "../parts/bubble.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { conversationOf, setQuiet } from "../state/chats.ts";
import { leaveChat } from "../state/navigation.ts";
import type { MessageRow } from "../state/rows.ts";
import { attach } from "../state/uploads.ts";
import { words } from "../words/index.ts";
import { Composer, type ComposerTask } from "./composer.tsx";
import { MessageList } from "./message_list.tsx";
import { MessageMenu } from "./message_menu.tsx";
import { PacketDialog } from "./packet.tsx";
import { SendPacketDialog } from "./send_packet.tsx";
import { Viewer } from "./viewer.tsx";

const GroupDialog = lazy(() => import("./group.tsx").then(({ GroupDialog }) => ({ default: GroupDialog })));

type Overlay = { kind: "group" } | { kind: "packet"; packetId: Id } | { kind: "send_packet" } | { kind: "viewer"; row: MessageRow } | { kind: "menu"; row: MessageRow };

export function ConversationView({ group }: { group: Group }) {
  const conversation = conversationOf(group.group_id);
  const [overlay, setOverlay] = useState<Overlay | null>(null);
  const [task, setTask] = useState<ComposerTask | null>(null);
  const [target, setTarget] = useState<{ seq: number } | null>(null);
  const [isDropping, setDropping] = useState(false);
  const close = (): void => setOverlay(null);
  const onDragOver = (event: DragEvent): void => {
    event.preventDefault();
    if (event.dataTransfer?.types.includes("Files")) setDropping(true);
  };
  const onDragLeave = (event: DragEvent): void => {
    if (!(event.relatedTarget instanceof Node && (event.currentTarget as HTMLElement).contains(event.relatedTarget))) setDropping(false);
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setDropping(false);
    attach(group.group_id, event.dataTransfer?.files ?? []);
  };
  const actions: RowActions = {
    openPacket: (packetId) => setOverlay({ kind: "packet", packetId }),
    openMedia: (row) => setOverlay({ kind: "viewer", row }),
    openMenu: (row) => setOverlay({ kind: "menu", row }),
    jumpTo: (seq) => void conversation.loadTo(seq).then(() => setTarget({ seq })),
  };
  return (
    <div class="talk" onDragOver={onDragOver} onDragLeave={onDragLeave} onDrop={onDrop}>
      <header class="room-head">
        <button type="button" class="icon-button back" aria-label={words.value.back} onClick={leaveChat}>
          <Icon name="back" />
        </button>
        <Avatar name={group.name} id={group.group_id} mediaId={group.avatar} size="small" />
        <h1>
          <bdi>{plain(group.name)}</bdi>
          {group.kind !== 2 && <small>{words.value.members(group.members)}</small>}
        </h1>
        <button type="button" class="icon-button head-end" aria-label={words.value.quietChat} aria-pressed={group.quiet} onClick={() => void setQuiet(group.group_id, !group.quiet)}>
          <Icon name={group.quiet ? "bell_off" : "bell"} />
        </button>
        {group.kind !== 2 && (
          <button type="button" class="icon-button" aria-label={words.value.group.title} onClick={() => setOverlay({ kind: "group" })}>
            <Icon name="more" />
          </button>
        )}
      </header>
      <MessageList group={group} conversation={conversation} actions={actions} target={target} />
      <Composer group={group} task={task} onTaskDone={() => setTask(null)} onSendPacket={() => setOverlay({ kind: "send_packet" })} />
      {overlay?.kind === "group" && (
        <Suspense fallback={null}>
          <GroupDialog group={group} onClose={close} />
        </Suspense>
      )}
      {overlay?.kind === "packet" && <PacketDialog conversation={conversation} packetId={overlay.packetId} onClose={close} />}
      {overlay?.kind === "send_packet" && <SendPacketDialog group={group} onClose={close} />}
      {overlay?.kind === "viewer" && <Viewer conversation={conversation} row={overlay.row} onClose={close} />}
      {overlay?.kind === "menu" && <MessageMenu group={group} row={overlay.row} onTask={setTask} onClose={close} />}
      {isDropping && <p class="drop-here">{words.value.dropHere}</p>}
    </div>
  );
}
