/** Which rows of a conversation are in the document, and the promise that none of them jumps.
 *
 * At most 120 rows stand in normal flow. The window moves by 60 when an end of it comes within a screen and a half. Before
 * every drawing a visible row and its offset are noted; after it, in the same layout effect, the offset is restored.
 */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "../state/conversation.ts";
import { indexOfSeq, type Row } from "../state/rows.ts";

const SPAN = 120;
const STEP = 60;
/** Screens of rows that are kept beyond what is visible. */
const SLACK = 1.5;
/** Pixels from the end within which the view sticks to it. */
const END_SLACK = 40;

/** The window stands at the newest rows. */
const LIVE = -1;

export interface RowWindow {
  box: { current: HTMLDivElement | null };
  from: number;
  shown: readonly Row[];
  isLive: boolean;
  /** New rows below what is visible. */
  fresh: number;
  isAtEnd: boolean;
  onScroll(): void;
  toEnd(): void;
}

interface Options {
  conversation: Conversation;
  rows: readonly Row[];
  /** Called whenever the end is visible. */
  onEndSeen(): void;
  /** A row to stand in the middle; a new object each time it is asked for. */
  target: { seq: number } | null;
}

function belowOf(element: HTMLElement): number {
  return element.scrollHeight - element.scrollTop - element.clientHeight;
}

export function useRowWindow({ conversation, rows, onEndSeen, target }: Options): RowWindow {
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ seq: string; top: number } | null>(null);
  const sticks = useRef(true);
  /** Where the box was scrolled to when we last looked. */
  const lastTop = useRef(0);
  const lastSeen = useRef(0);
  const isMoving = useRef(false);
  const isPlaced = useRef(false);
  const handled = useRef<object | null>(null);
  const [first, setFirst] = useState(LIVE);
  const [fresh, setFresh] = useState(0);
  const [isAtEnd, setAtEnd] = useState(true);

  const isLive = first === LIVE;
  const newest = rows.at(-1)?.seq ?? 0;
  const latestFrom = Math.max(0, rows.length - SPAN);
  const from = isLive ? latestFrom : Math.min(indexOfSeq(rows, first), latestFrom);
  const shown = rows.slice(from, from + SPAN);

  const hold = (): void => {
    const element = box.current;
    anchor.current = null;
    if (!element) return;
    const { top } = element.getBoundingClientRect();
    // Not the first row: it may lose its head when the row before it becomes known.
    for (const row of [...element.querySelectorAll<HTMLElement>("[data-seq]")].slice(1)) {
      const place = row.getBoundingClientRect();
      if (place.top >= top) {
        anchor.current = { seq: row.dataset["seq"] ?? "", top: place.top - top };
        return;
      }
    }
  };

  const moveUp = async (): Promise<void> => {
    const top = shown[0];
    if (!top) return;
    if (from < STEP && !conversation.isComplete.value) await conversation.fetchOlder();
    hold();
    conversation.publish();
    const all = conversation.rows.value;
    const at = indexOfSeq(all, top.seq);
    if (at > 0) setFirst(all[Math.max(0, at - STEP)]!.seq);
  };

  const move = async (up: boolean): Promise<void> => {
    if (isMoving.current) return;
    isMoving.current = true;
    try {
      if (up) await moveUp();
      else {
        const next = from + STEP;
        setFirst(next + SPAN >= rows.length ? LIVE : rows[next]!.seq);
      }
    } finally {
      isMoving.current = false;
    }
  };

  /** Asked after each scroll and each drawing: at the very top no scroll event comes any more. */
  const look = (): void => {
    const element = box.current;
    if (!element || !isPlaced.current) return;
    const below = belowOf(element);
    lastTop.current = element.scrollTop;
    sticks.current = isLive && below < END_SLACK;
    if (sticks.current !== isAtEnd) setAtEnd(sticks.current);
    if (sticks.current) {
      lastSeen.current = newest;
      if (fresh) setFresh(0);
      onEndSeen();
    }
    const slack = element.clientHeight * SLACK;
    if (element.scrollTop < slack && shown.length && (from > 0 || !conversation.isComplete.value) && !sticks.current) void move(true);
    else if (below < slack && !isLive) void move(false);
  };

  const scrollToRow = (seq: number, at: number): boolean => {
    const element = box.current;
    const row = element?.querySelector(`[data-seq="${seq}"], [data-divider="${seq}"]`);
    if (!element || !row) return false;
    element.scrollTop += row.getBoundingClientRect().top - element.getBoundingClientRect().top - element.clientHeight * at;
    return true;
  };

  useLayoutEffect(() => {
    if (!target || handled.current === target) return;
    const at = indexOfSeq(rows, target.seq);
    setFirst(rows[Math.max(0, at - STEP)]?.seq ?? LIVE);
    sticks.current = false;
  }, [target]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const held = anchor.current;
    anchor.current = null;
    if (!isPlaced.current) {
      if (!conversation.isLoaded.value) return;
      isPlaced.current = true;
      const divider = conversation.dividerAfter.value;
      if (divider && scrollToRow(divider, 0.2)) sticks.current = false;
      else element.scrollTop = element.scrollHeight;
      lastSeen.current = newest;
      return look();
    }
    if (target && handled.current !== target && scrollToRow(target.seq, 0.4)) {
      handled.current = target;
      element.querySelector(`[data-seq="${target.seq}"]`)?.animate?.([{ background: "var(--flash)" }, { background: "transparent" }], 1600);
      return;
    }
    if (sticks.current && isLive) {
      element.scrollTop = element.scrollHeight;
      lastTop.current = element.scrollTop;
      lastSeen.current = newest;
      if (isAtEnd) return onEndSeen();
      return look();
    }
    const row = held && element.querySelector(`[data-seq="${held.seq}"]`);
    if (row) {
      const moved = row.getBoundingClientRect().top - element.getBoundingClientRect().top - held.top;
      if (moved) element.scrollTop += moved;
    }
    const more = rows.length - indexOfSeq(rows, lastSeen.current + 1);
    if (more > 0 && more !== fresh) setFresh(more);
    look();
  });

  // A drawing may come between a scroll and its event: who scrolls up is not taken back to the end.
  const element = box.current;
  if (element && sticks.current && isPlaced.current && element.scrollTop < lastTop.current - 1 && belowOf(element) >= END_SLACK) sticks.current = false;
  if (!sticks.current) hold(); // before every drawing: where does one look?

  const toEnd = (): void => {
    sticks.current = true;
    setFirst(LIVE);
    setFresh(0);
    setAtEnd(true);
    if (!element) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  };

  return { box, from, shown, isLive, fresh, isAtEnd, onScroll: look, toEnd };
}
