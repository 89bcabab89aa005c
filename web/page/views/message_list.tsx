/** The messages of one chat, grouped by person and day, with the divider of what is unread. */
import { useEffect } from "preact/hooks";
import type { OutboxEntry } from "../../client/outbox.ts";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { type RowActions, RowView } from "../parts/bubble.tsx";
import { Icon } from "../parts/icons.tsx";
import { PendingMessage } from "../parts/pending.tsx";
import { outboxEntries, sync } from "../state/chats.ts";
import type { Conversation } from "../state/conversation.ts";
import type { Row } from "../state/rows.ts";
import { me } from "../state/session.ts";
import { dayText, words } from "../words/index.ts";
import { useRowWindow } from "./row_window.ts";

/** Rows of one person within this time belong together. */
const JOIN_MS = 180_000;

interface Props {
  group: Group;
  conversation: Conversation;
  actions: RowActions;
  target: { seq: number } | null;
}

type Neighbour = Pick<Row, "kind" | "senderId" | "at" | "seq">;

function mine(entry: OutboxEntry): Neighbour {
  return { kind: "message", senderId: me.peek()?.user_id ?? ("0" as Id), at: entry.at, seq: Infinity };
}

function isJoined(row: Neighbour, before: Neighbour | null): boolean {
  return !!before && before.kind !== "system" && row.kind !== "system" && before.senderId === row.senderId && row.at - before.at < JOIN_MS;
}

export function MessageList({ group, conversation, actions, target }: Props) {
  const rows = conversation.rows.value;
  const divider = conversation.dividerAfter.value;
  const pending = outboxEntries.value.filter((entry) => entry.groupId === group.group_id && (entry.refusal || !conversation.hidden.value.has(entry.key)));
  const settling = conversation.settling.value;
  const waitingCount = pending.length + settling.length;
  const endSeen = (): void => {
    if (!document.hidden) sync.markRead(group.group_id, conversation.lastSeq);
  };
  const view = useRowWindow({ conversation, rows, onEndSeen: endSeen, target });

  useEffect(() => {
    const shown = (): void => view.onScroll();
    document.addEventListener("visibilitychange", shown);
    return () => document.removeEventListener("visibilitychange", shown);
  });
  // Sending goes to the end, always, and by intent.
  useEffect(() => {
    if (!waitingCount) return;
    conversation.dividerAfter.value = 0;
    view.toEnd();
  }, [waitingCount > 0 && pending.at(-1)?.key]);
  // Pictures and the keyboard change heights without a drawing: the end stays in view.
  useEffect(() => {
    const element = view.box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (element.dataset["end"] === "true") element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What stands above the window decides how its first row looks; else that row changes its height when the window moves.
  let before: Neighbour | null = rows[view.from - 1] ?? null;
  let day = before ? dayText(before.at) : "";
  const items = [];
  for (const row of view.shown) {
    const today = dayText(row.at);
    if (today !== day) {
      items.push(<DayLine key={`day ${row.seq}`} text={today} />);
      day = today;
      before = null;
    }
    if (divider && row.seq > divider && (before?.seq ?? 0) <= divider && !items.some((item) => item.key === "divider")) {
      items.push(
        <li class="divider" key="divider" data-divider={divider}>
          <span>{words.value.newMessages}</span>
        </li>,
      );
      before = null;
    }
    items.push(<RowView key={row.seq} row={row} isMine={row.senderId === me.value?.user_id} isJoined={isJoined(row, before)} actions={actions} />);
    before = row;
  }
  return (
    <div class="messages-frame">
      <div class="messages" role="log" aria-live="off" aria-label={group.name} tabIndex={0} ref={view.box} onScroll={view.onScroll} data-end={view.isAtEnd}>
        {!conversation.isLoaded.value && <p class="dim side-note">{conversation.loadFailure.value || words.value.loading}</p>}
        <ol>
          {items}
          {view.isLive &&
            [...settling, ...pending].flatMap((entry) => {
              const today = dayText(entry.at); // one that waits over midnight is of the day before
              const line = today === day ? [] : [<DayLine key={`day ${entry.key}`} text={today} />];
              if (today !== day) before = null;
              day = today;
              const joined = isJoined(mine(entry), before);
              before = mine(entry);
              return [...line, <PendingMessage key={entry.key} entry={entry} isJoined={joined} />];
            })}
        </ol>
      </div>
      {!view.isAtEnd && (
        <button type="button" class="to-end" aria-label={view.fresh ? undefined : words.value.toEnd} onClick={view.toEnd}>
          {view.fresh > 0 && words.value.fresh(view.fresh)} <Icon name="down" size={16} />
        </button>
      )}
    </div>
  );
}

function DayLine({ text }: { text: string }) {
  return (
    <li class="day">
      <time>{text}</time>
    </li>
  );
}
