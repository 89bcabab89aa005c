/** One chat: its head, its messages and the composer, and the dialogs that open over them. */
import { useEffect, useState } from "preact/hooks";
import type { Group, Id, Person } from "../../client/protocol.gen.ts";
import { ignoreLoss } from "../../client/errors.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Boundary } from "../parts/boundary.tsx";
import type { RowActions } from "../parts/bubble.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { conversationOf, setQuiet } from "../state/chats.ts";
import { jumpTarget, leaveChat, showMessage } from "../state/navigation.ts";
import type { MessageRow, Row } from "../state/rows.ts";
import { me } from "../state/session.ts";
import { presence, watchPresence } from "../state/presence.ts";
import { react } from "../state/reactions.ts";
import { typists } from "../state/typing.ts";
import { attach } from "../state/uploads.ts";
import { briefTime, words } from "../words/index.ts";
import { Composer, type ComposerTask } from "./composer.tsx";
import { ForwardDialog, GroupDialog, MediaDialog, MessageMenu, PacketDialog, PersonDialog, PinsDialog, ReceiptsDialog, ReportDialog, SearchDialog, SendPacketDialog, VersionsDialog, Viewer } from "./lazy_screens.ts";
import { MessageList } from "./message_list.tsx";
import { useChatShortcuts } from "./shortcuts.ts";

type Overlay = { kind: "group" } | { kind: "search" } | { kind: "pins" } | { kind: "media" } | { kind: "person"; person: Person | null } | { kind: "forward" | "receipts" | "report" | "versions"; row: MessageRow } | { kind: "packet"; packetId: Id } | { kind: "send_packet" } | { kind: "viewer"; row: MessageRow } | { kind: "menu"; row: MessageRow };

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
    toggleReaction: (row, emoji) => void react(group.group_id, row, emoji).catch(ignoreLoss),
    openPerson: (person) => setOverlay({ kind: "person", person }),
    jumpTo: (seq) => void conversation.loadTo(seq).then(() => setTarget({ seq })),
  };
  const latest = <R extends Row>(is: (row: Row) => row is R): R | undefined => conversation.rows.value.findLast(is);
  useChatShortcuts({
    search: () => setOverlay({ kind: "search" }),
    newestPacket: () => {
      const row = latest((row) => row.kind === "packet");
      if (row) actions.openPacket(row.packet.packet_id);
    },
  });
  const editLast = (): void => {
    const row = latest((row): row is MessageRow => row.kind === "message" && row.senderId === me.value?.user_id && row.messageKind === 1 && !row.recalled);
    if (row) setTask({ kind: "edit", row });
  };
  const wanted = jumpTarget.value;
  const isLoaded = conversation.isLoaded.value;
  useEffect(() => {
    if (wanted?.groupId !== group.group_id || !isLoaded) return;
    jumpTarget.value = null;
    actions.jumpTo(wanted.seq);
  }, [wanted, isLoaded]);
  const jump = (groupId: Id, seq: number): void => {
    close();
    showMessage(groupId, seq);
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
          <Below group={group} />
        </h1>
        <button type="button" class="icon-button head-end" aria-label={words.value.search.title} onClick={() => setOverlay({ kind: "search" })}>
          <Icon name="search" />
        </button>
        <button type="button" class="icon-button" aria-label={words.value.pins.title} onClick={() => setOverlay({ kind: "pins" })}>
          <Icon name="pin" />
        </button>
        <button type="button" class="icon-button" aria-label={words.value.quietChat} aria-pressed={group.quiet} onClick={() => void setQuiet(group.group_id, !group.quiet)}>
          <Icon name={group.quiet ? "bell_off" : "bell"} />
        </button>
        {group.kind === 2 ? (
          <button type="button" class="icon-button" aria-label={words.value.person.title} onClick={() => setOverlay({ kind: "person", person: null })}>
            <Icon name="more" />
          </button>
        ) : (
          <button type="button" class="icon-button" aria-label={words.value.group.title} onClick={() => setOverlay({ kind: "group" })}>
            <Icon name="more" />
          </button>
        )}
      </header>
      <MessageList group={group} conversation={conversation} actions={actions} target={target} />
      <Composer group={group} task={task} onTaskDone={() => setTask(null)} onEditLast={editLast} onSendPacket={() => setOverlay({ kind: "send_packet" })} />
      <Boundary key={overlay?.kind}>
        {overlay?.kind === "group" && <GroupDialog group={group} onPerson={actions.openPerson} onMedia={() => setOverlay({ kind: "media" })} onClose={close} />}
        {overlay?.kind === "search" && <SearchDialog group={group} onJump={jump} onClose={close} />}
        {overlay?.kind === "pins" && <PinsDialog group={group} onJump={(seq) => jump(group.group_id, seq)} onClose={close} />}
        {overlay?.kind === "media" && <MediaDialog group={group} onJump={(seq) => jump(group.group_id, seq)} onClose={close} />}
        {overlay?.kind === "person" && <PersonDialog group={group} person={overlay.person} onMedia={() => setOverlay({ kind: "media" })} onClose={close} />}
        {overlay?.kind === "forward" && <ForwardDialog group={group} row={overlay.row} onClose={close} />}
        {overlay?.kind === "receipts" && <ReceiptsDialog group={group} row={overlay.row} onClose={close} />}
        {overlay?.kind === "report" && <ReportDialog group={group} row={overlay.row} onClose={close} />}
        {overlay?.kind === "versions" && <VersionsDialog group={group} row={overlay.row} onClose={close} />}
        {overlay?.kind === "packet" && <PacketDialog conversation={conversation} packetId={overlay.packetId} onClose={close} />}
        {overlay?.kind === "send_packet" && <SendPacketDialog group={group} onClose={close} />}
        {overlay?.kind === "viewer" && <Viewer conversation={conversation} row={overlay.row} onClose={close} />}
        {overlay?.kind === "menu" && <MessageMenu group={group} row={overlay.row} onTask={setTask} onOpen={(kind) => setOverlay({ kind, row: overlay.row })} onClose={close} />}
      </Boundary>
      {isDropping && <p class="drop-here">{words.value.dropHere}</p>}
    </div>
  );
}

/** Under the chat's name: who is typing, else whether the other is there, else how many members it has and how many are there. */
function Below({ group }: { group: Group }) {
  const { value: say } = words;
  useEffect(() => watchPresence(group), [group.group_id]);
  const names = typists.value.get(group.group_id)?.map(({ name }) => plain(name)).join(say.and);
  if (names) return <small>{say.typing(names)}</small>;
  const there = presence.value?.groupId === group.group_id ? presence.value : null;
  if (group.kind !== 2) return <small>{[say.members(group.members), there?.online && say.onlineOf(there.online)].filter(Boolean).join(say.and)}</small>;
  if (there?.online) return <small>{say.online}</small>;
  return <small>{there?.seenAt ? say.lastSeen(briefTime(there.seenAt)) : "\u00a0"}</small>;
}
