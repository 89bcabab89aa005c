/** Our own drawings: a system may have no emoji font. */
const PATHS = {
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 10l6 6 6-6",
  send: "M4 12l16-8-6 16-3-7z",
  attach: "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.500 3.500 0 0 1 5 5l-8.500 8.500a2 2 0 0 1-3-3L14 7",
  packet: "M6 3h12v18H6zM6 7c4 4 8 4 12 0M10.500 11.500h3v3h-3z",
  more: "M4.500 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M11.500 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M18.500 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0",
  check: "M5 13l4 4L19 7",
  checks: "M2 13l4 4L16 7M11 16l1 1L22 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  alert: "M12 7v6M12 17h.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4 21c1-5 4-7 8-7s7 2 8 7",
  chats: "M4 10c0-4 4-6 8-6s8 2 8 6-4 6-8 6l-4 3v-3.500C5.500 14.500 4 12.500 4 10",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M6 11a6 6 0 0 0 12 0M12 17v4M9 21h6",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  bell: "M6 16v-5a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500h4",
  bell_off: "M6 16v-5a6 6 0 0 1 1-3M10 5.300a6 6 0 0 1 8 5.700v3M17 18H4.500L6 16M10 20.500h4M4 4l16 16",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M15.500 15.500L20 20",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  crown: "M4 8l4 4 4-7 4 7 4-4-2 10H6z",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing without meaning of its own: what stands around it has a name. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
