// Generated from protocol/types.json by protocol/generate.py: do not edit.
/** A 63-bit id, in decimal. */
export type Id = string & { readonly unit: unique symbol };
/** An account of the server. `seen_at`: when the latest of its sessions was in use (0: it has none). */
export interface AccountEntry {
  person: Person;
  created_at: number; // time
  operator: boolean;
  disabled: boolean;
  sessions: number; // count
  groups: number; // count
  seen_at: number; // time
}
/** A group that this person put me into. */
export interface AddedGroup {
  group_id: Id; // group
  name: string;
  by: Person;
  joined_at: number; // time
}
/** A row of the audit log: who (an account, or `console`) did what to whom or what. */
export interface AuditEntry {
  number: number; // count
  at: number; // time
  actor: string;
  action: string;
  subject: string;
  detail: string;
}
/** Who is kept out, until when, and who decided it. */
export interface Ban {
  user_id: Id; // user
  name: string;
  until: number; // time
  by: string;
}
/** A group as one member has it: where its sequence stands, where I stand in it, and what it allows. */
export interface Group {
  group_id: Id; // group
  name: string;
  role: number; // role
  members: number; // count
  seq: number; // seq
  ordinal: number; // ordinal
  read_seq: number; // seq
  read_ordinal: number; // ordinal
  visible_from: number; // seq
  history: boolean;
  mentions: number; // count
  quiet: boolean;
  delivered_seq: number; // seq
  last: Preview | null;
  kind: number; // group_kind
  rules: GroupRules;
  nickname: string;
  muted_until: number; // time
  avatar: Id; // medium
  own_above: number; // count
}
/** What goes in a group. A rule that is a role is the least that may: 1 everybody, 2 admins. */
export interface GroupRules {
  invite: number; // role
  approval: boolean;
  history: boolean;
  mute_all: boolean;
  slow_mode: number; // seconds
  max_members: number; // count
  pin: number; // role
  mention_all: number; // role
  keep_edits: boolean;
}
/** A group that this person asks me to come into. */
export interface Invitation {
  group_id: Id; // group
  name: string;
  by: Person;
  made_at: number; // time
}
/** A code that lets people in: who made it when, when it expires, how many may use it (0: any), how many did. */
export interface Invite {
  code: string;
  made_by: Person;
  made_at: number; // time
  expires_at: number; // time
  max_uses: number; // count
  uses: number; // count
}
/** Somebody who asks to be let in. */
export interface JoinRequest {
  person: Person;
  note: string;
  made_at: number; // time
}
/** What a message shows of its medium at once: `duration` in milliseconds, size in pixels (0: has none). */
export interface MediaHead {
  id: Id; // medium
  mime: string;
  size: number; // bytes
  name: string;
  width: number; // pixels
  height: number; // pixels
  duration: number; // duration
  blurhash: string;
  preview: Uint8Array;
  waveform: Uint8Array;
}
/** Somebody in a group: with a nickname there, or "", and muted until a time, or 0. */
export interface Member {
  user_id: Id; // user
  name: string;
  role: number; // role
  joined_at: number; // time
  nickname: string;
  muted_until: number; // time
  disabled: boolean;
}
/** What some messages have besides their text. */
export interface MessageExtra {
  reply_to: Quote | null;
  mentions: Id[];
  mention_all: boolean;
  forwarded: Origin | null;
  edited_seq: number; // seq
  edited_at: number; // time
  recalled: boolean;
}
/** One share that was opened; `cents` is 0 where the server keeps amounts to their owners and it is not mine. */
export interface Opening {
  number: number; // opening_number
  user_id: Id; // user
  name: string;
  cents: number; // cents
  opened_at: number; // time
}
/** Who said first what was forwarded, and when. The group it comes from is not told. */
export interface Origin {
  sender: string;
  sent_at: number; // time
}
/** One of my uploads: how many messages carry it (counted to 1,000), whether it is my or a group's `avatar`, and whether */
export interface OwnMedium {
  id: Id; // medium
  kind: number; // message_kind
  mime: string;
  size: number; // bytes
  name: string;
  uploaded_at: number; // time
  messages: number; // count
  avatar: boolean;
  copies: boolean;
}
/** A group of the server, and who owns it (nil: its owner's account is disabled). */
export interface OwnedGroup {
  group_id: Id; // group
  name: string;
  members: number; // count
  owner: Person | null;
}
/** A packet as its message shows it; `client_seed` and `commitment` are what its sender has to compare. */
export interface PacketHead {
  packet_id: Id; // packet
  total: number; // cents
  count: number; // count
  mode: number; // packet_mode
  receiver_id: Id; // user
  expires_at: number; // time
  commitment: Uint8Array;
  client_seed: Uint8Array;
}
/** A user as others see them. */
export interface Person {
  user_id: Id; // user
  name: string;
}
/** A message that is pinned, by the event `seq`: what it says in short, who said it, and who pinned it. */
export interface PinnedMessage {
  of: number; // seq
  seq: number; // seq
  pinned_by: string;
  sender: string;
  sent_at: number; // time
  excerpt: string;
}
/** Where a device is, in millionths of a degree (WGS 84; 11 cm): north and east are positive. */
export interface Position {
  lat: number; // microdegrees
  lon: number; // microdegrees
}
/** Whether somebody is there, and when they last were (0: unknown, or now). */
export interface Presence {
  user_id: Id; // user
  online: boolean;
  seen_at: number; // time
}
/** A group's last message in a line; `kind` is that of Message. */
export interface Preview {
  seq: number; // seq
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  kind: number; // message_kind
  text: string;
  recalled: boolean;
}
/** How a user shows themselves. `avatar` is the id of a medium, or 0; `disabled`: an operator disabled the account. */
export interface Profile {
  user_id: Id; // user
  name: string;
  nickname: string;
  avatar: Id; // medium
  disabled: boolean;
}
/** How far an answer brought me in one group: everything up to `last` was sent; `seq` is the group's head. */
export interface Progress {
  group_id: Id; // group
  last: number; // seq
  seq: number; // seq
}
/** The message that another one answers, as it is now: `of` is its `seq`; `excerpt` is empty once it was recalled. */
export interface Quote {
  of: number; // seq
  sender_id: Id; // user
  sender: string;
  excerpt: string;
  edited_seq: number; // seq
}
/** A group and the last sequence number I have of it. */
export interface Range {
  group_id: Id; // group
  after: number; // seq
}
/** An emoji that somebody put under a message, by the event `seq`. */
export interface Reaction {
  seq: number; // seq
  user_id: Id; // user
  name: string;
  emoji: string;
}
/** How far a message came with one member: it is on a device of theirs, or they have read it (and so have it). */
export interface Receipt {
  user_id: Id; // user
  name: string;
  read: boolean;
}
/** What `by` reports of `person`: a message (`of` in a group, with its text), or the person as such (`of` 0, no group). */
export interface Report {
  number: number; // count
  at: number; // time
  by: Person;
  person: Person;
  group_id: Id; // group
  group: string;
  of: number; // seq
  text: string;
  reason: string;
  closed_at: number; // time
  closed_by: string;
  note: string;
}
/** What a message to send has besides its text: the `seq` of the message it answers (0: none), and */
export interface SendExtra {
  reply_to?: number; // seq
  mentions?: Id[];
  mention_all?: boolean;
  keep_excerpt?: boolean;
}
/** One device's session: since when, when last seen, and whether it is this connection's. */
export interface Session {
  session_id: Id; // session
  device: string;
  created_at: number; // time
  seen_at: number; // time
  current: boolean;
}
/** One transfer of my wallet: its kind (grant, send, open, refund, withdraw, reversed), with the sign it has for me. */
export interface StatementLine {
  transfer_id: Id; // transfer
  kind: string;
  cents: number; // cents
  about: Id; // packet_or_withdrawal
  at: number; // time
}
/** A text that a message had until it was edited at `replaced_at`; cut to what one frame can carry of them all. */
export interface Version {
  replaced_at: number; // time
  text: string;
}
/** Somebody on the waiting page; `entered`: they are in the group already. `avatar` is a medium's id, or 0. */
export interface Waiting {
  user_id: Id; // user
  name: string;
  nickname: string;
  avatar: Id; // medium
  entered: boolean;
}
/** I am alive. A client that has nothing else to say sends it once per heartbeat, and takes silence for a loss. */
export interface Ping {
}
/** The command took effect, and there is nothing more to say. */
export interface Done {
}
/** The command had no effect, or, with request id 0, the connection is about to end. */
export interface Refused {
  code: string;
  message: string;
  at: string | null;
  retry_after: number; // duration
}
/** The answer to Ping, with the server's clock. */
export interface Pong {
  now: number; // time
}
/** This connection read too slowly, so `dropped` live events were not sent to it: fetch them by range. */
export interface Lagging {
  dropped: number; // count
}
/** The server is about to stop: reconnect after a random wait of at most `within` milliseconds. */
export interface Draining {
  within: number; // duration
}
/** The first frame of every connection: the protocol versions the client speaks, and what it is. */
export interface Hello {
  versions: number[];
  agent: string;
}
/** Make an account and log in. Names are unique regardless of case, without spaces, and never change. */
export interface Register {
  name: string;
  password: string;
  device: string;
}
/** Log in by password: a new session for this device. A wrong name and a wrong password look the same. */
export interface Login {
  name: string;
  password: string;
  device: string;
}
/** Log in by the token of a session that has not ended. */
export interface Resume {
  token: Uint8Array;
}
/** End this connection's session: its token is void, and every connection of it is closed. */
export interface Logout {
}
/** Set a new password and end all other sessions of this user. */
export interface ChangePassword {
  old: string;
  new: string;
}
/** Which devices are logged in as me? */
export interface ListSessions {
}
/** End one of my sessions by its id; its connections are closed. */
export interface EndSession {
  session_id: Id; // session
}
/** Whose names are these? Names are matched whole, regardless of case. */
export interface FindPeople {
  names: string[];
}
/** Log in by the cookie that came with the WebSocket's handshake, for the server's own page. */
export interface ResumeHere {
}
/** The answer to Hello: what this connection may do. */
export interface Welcome {
  version: number; // protocol_version
  server: string;
  now: number; // time
  heartbeat: number; // duration
  max_frame: number; // bytes
  max_requests: number; // count
  registration_open: boolean;
  http: string;
  page: string;
}
/** This connection now speaks for a user. The token logs in again (Resume) until the session ends. */
export interface LoggedIn {
  user_id: Id; // user
  name: string;
  session_id: Id; // session
  token: Uint8Array;
  user_version: number; // list_version
  operator: boolean;
}
/** The sessions of this user, oldest first. */
export interface Sessions {
  sessions: Session[];
}
/** The users asked for, in the order of the question; who does not exist is left out. */
export interface People {
  people: Person[];
}
/** The server closes this connection next. `reason`: session_ended (the token is void) or server_stopping (it is not). */
export interface SessionOver {
  reason: string;
  session_id: Id; // session
}
/** Make a group of me and these people. `history` lets those who join later read what was said before. */
export interface MakeGroup {
  client_id: Uint8Array;
  name: string;
  members?: Id[];
  history?: boolean;
}
/** Give a group another name. */
export interface RenameGroup {
  client_id: Uint8Array;
  group_id: Id; // group
  name: string;
}
/** Add people to a group: all of them, or (when one cannot be added) none. */
export interface AddMembers {
  client_id: Uint8Array;
  group_id: Id; // group
  members: Id[];
}
/** Remove somebody of lower role from a group: they read nothing of it from this event on. */
export interface RemoveMember {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
}
/** Leave a group. Its owner can leave only as its last member, which ends the group. */
export interface LeaveGroup {
  client_id: Uint8Array;
  group_id: Id; // group
}
/** Tell me about one of my groups. */
export interface ShowGroup {
  group_id: Id; // group
}
/** Who is in this group? `after` is the last user id of the page before, or 0. */
export interface ListMembers {
  group_id: Id; // group
  after?: Id; // user
}
/** The group exists, with me as its owner; `seq` is the head of its sequence. */
export interface GroupMade {
  group_id: Id; // group
  seq: number; // seq
  invited: Id[];
}
/** The change is stored, as the event with this sequence number. */
export interface Changed {
  group_id: Id; // group
  seq: number; // seq
  invited: Id[];
}
/** One group, and its notice with who put it up when (empty, "" and 0: there is none). */
export interface GroupShown {
  group: Group;
  notice: string;
  notice_by: string;
  notice_at: number; // time
}
/** Members of a group by user id; `more` says that others follow the last one. */
export interface Members {
  members: Member[];
  more: boolean;
}
/** The first event of every group (in its sequence). */
export interface GroupCreated {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  name: string;
  members: Person[];
}
/** The group has another name (in its sequence). */
export interface GroupRenamed {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  name: string;
}
/** People came in (in the group's sequence). `sender` added them, or joined by themselves. */
export interface MembersAdded {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  members: Person[];
}
/** Somebody went (in the group's sequence): removed by `sender`, or left by themselves. */
export interface MemberRemoved {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
}
/** I am in a group now (personal, a hint: the list of groups is the truth). */
export interface Added {
  group: Group;
  user_version: number; // list_version
}
/** I am no longer in a group; `seq` is the event that says so, which I do not get (personal, a hint). */
export interface Removed {
  group_id: Id; // group
  seq: number; // seq
  user_version: number; // list_version
  reason: number; // removal_reason
}
/** Say something in a group. Sending again with the same client id and content has one effect and one answer. */
export interface Send {
  client_id: Uint8Array;
  group_id: Id; // group
  text: string;
  extra?: SendExtra | null;
}
/** The message is stored: its id, its place in the group's sequence and count, and its time. */
export interface Sent {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sent_at: number; // time
}
/** Something said (in the group's sequence). `packet` is there for the kind redpack, whose greeting is the text. */
export interface Message {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  kind: number; // message_kind
  text: string;
  packet: PacketHead | null;
  extra: MessageExtra | null;
  media: MediaHead | null;
}
/** Which groups am I in, and what changed in the list since `since` (0: tell me of no removals)? */
export interface ListGroups {
  since?: number; // list_version
  after?: Id; // group
}
/** Events of a group with `after` < seq < `before` (0: to the end) that I may read. */
export interface History {
  group_id: Id; // group
  after?: number; // seq
  before?: number; // seq
  limit?: number; // count
  newest?: boolean;
}
/** What did I miss in these groups? At most MAX_PAGE events altogether, group by group: ask again for more. */
export interface CatchUp {
  ranges: Range[];
}
/** I have read the group up to `seq`. The cursor only moves forwards, and nothing else moves it: sending does not. */
export interface MarkRead {
  group_id: Id; // group
  seq: number; // seq
}
/** A page of my groups by group id, those I am in and those I left since the version I named. */
export interface Groups {
  groups: Group[];
  more: boolean;
  user_version: number; // list_version
  reset: boolean;
}
/** The end of a history answer: the events between came before it, in order of their sequence numbers. */
export interface Page {
  group_id: Id; // group
  first: number; // seq
  last: number; // seq
  more: boolean;
  seq: number; // seq
}
/** The end of a catch-up answer: per group how far it went. Groups I may not read are left out. */
export interface CaughtUp {
  groups: Progress[];
}
/** My cursor in a group moved, on this device or another (personal). */
export interface ReadMoved {
  group_id: Id; // group
  read_seq: number; // seq
  read_ordinal: number; // ordinal
  own_above: number; // count
  head: number; // seq
}
/** Write a verified copy of the database to a new file of this name, in the folder that the server keeps backups in. */
export interface Backup {
  name: string;
}
/** Disable an account (its sessions end, it cannot log in) or enable it again. */
export interface EnableUser {
  name: string;
  enabled: boolean;
}
/** Set another user's password and end their sessions. */
export interface ResetPassword {
  name: string;
  password: string;
}
/** Which groups are there on this server? `after` is the last group id of the page before, or 0. */
export interface ListAllGroups {
  after?: Id; // group
}
/** Make a member of any group its owner; who was is an admin then. */
export interface AppointOwner {
  group_id: Id; // group
  user_id: Id; // user
}
/** End a group of the server, as its owner could. */
export interface DissolveAnyGroup {
  group_id: Id; // group
}
/** Which accounts have names that contain `part`, regardless of case? */
export interface ListAccounts {
  part?: string;
  after?: Id; // user
}
/** What did operators do, the latest first? `before` is the number of the last row of the page before, or 0. */
export interface ListAudit {
  before?: number; // count
}
/** How much is there, and how is the server? */
export interface ShowFigures {
}
/** The account is enabled or disabled: groups that its owner lost by it, each with the new one (nil: there is nobody). */
export interface UserEnabled {
  handed_over: OwnedGroup[];
  more: boolean;
}
/** Groups by id; `more` says that others follow the last one. */
export interface AllGroups {
  groups: OwnedGroup[];
  more: boolean;
}
/** Accounts by id; `more` says that others follow the last one. */
export interface Accounts {
  accounts: AccountEntry[];
  more: boolean;
}
/** Rows of the audit log, the latest first; `more` says that there are earlier ones. */
export interface AuditEntries {
  entries: AuditEntry[];
  more: boolean;
}
/** The server in figures: what is stored, and of the node that answers, who is connected to it and what it does. */
export interface Figures {
  now: number; // time
  up: number; // seconds
  accounts: number; // count
  disabled: number; // count
  groups: number; // count
  messages: number; // count
  media: number; // count
  media_bytes: number; // bytes
  database_bytes: number; // bytes
  users_online: number; // count
  connections: number; // count
  commands: number; // count
  commit: number; // duration
  nodes: number; // count
  full: boolean;
  deaf: boolean;
}
/** Prepare a packet for a group: `total` cents in `count` shares. No money moves. */
export interface PreparePacket {
  client_id: Uint8Array;
  group_id: Id; // group
  total: number; // cents
  count: number; // count
  mode?: number; // packet_mode
  receiver_id?: Id; // user
}
/** Send a prepared packet with 32 random bytes of my own: my wallet pays, and the message appears, in one step. */
export interface SendPacket {
  client_id: Uint8Array;
  group_id: Id; // group
  packet_id: Id; // packet
  client_seed: Uint8Array;
  greeting?: string;
}
/** Is there something in this packet for me? Changes nothing. */
export interface GrabPacket {
  group_id: Id; // group
  packet_id: Id; // packet
}
/** Open a packet: draw my share and have it posted to my wallet. */
export interface OpenPacket {
  client_id: Uint8Array;
  group_id: Id; // group
  packet_id: Id; // packet
}
/** Who took what and when? For members of the packet's group. `after` is how many openings earlier pages showed. */
export interface ShowPacket {
  packet_id: Id; // packet
  after?: number; // count
}
/** What is in my wallet? */
export interface ShowBalance {
}
/** What went in and out of my wallet? `before` is the last transfer id of the page before, or 0. */
export interface ShowStatement {
  before?: Id; // transfer
  limit?: number; // count
}
/** An operator tops somebody's wallet up, audited. Answers the wallet's new balance. */
export interface GrantMoney {
  client_id: Uint8Array;
  name: string;
  cents: number; // cents
}
/** Pay money out of my wallet, through the server's payment provider. `cents` of the reply is what is left. */
export interface Withdraw {
  client_id: Uint8Array;
  cents: number; // cents
}
/** The server has fixed its seed: `commitment` binds it before it learns the client's. Send before `lapses_at`. */
export interface PacketPrepared {
  packet_id: Id; // packet
  commitment: Uint8Array;
  lapses_at: number; // time
}
/** Whether there is something for me: open_to_you, already_had, exhausted, expired or not_for_you. */
export interface Grabbed {
  answer: string;
  cents: number; // cents
}
/** My share, which is in my wallet by now: the `number`-th opening (from 0), with `left` shares to go. */
export interface PacketShare {
  packet_id: Id; // packet
  cents: number; // cents
  number: number; // opening_number
  left: number; // count
}
/** All about a packet. `luckiest` is the number of the luckiest opening; the server's seed is empty until it ended. */
export interface PacketShown {
  packet_id: Id; // packet
  group_id: Id; // group
  seq: number; // seq
  sender: Person;
  greeting: string;
  total: number; // cents
  count: number; // count
  mode: number; // packet_mode
  receiver_id: Id; // user
  state: string;
  remaining: number; // cents
  refunded: number; // cents
  sent_at: number; // time
  expires_at: number; // time
  commitment: Uint8Array;
  client_seed: Uint8Array;
  server_seed: Uint8Array;
  luckiest: number | null; // opening_number
  openings: Opening[];
  more: boolean;
}
/** What is in my wallet. */
export interface Balance {
  cents: number; // cents
}
/** A page of my transfers, the latest first, and my balance at the time of the answer. */
export interface Statement {
  lines: StatementLine[];
  more: boolean;
  cents: number; // cents
}
/** The money left the wallet and waits for the payment provider under this id. */
export interface Withdrawn {
  withdrawal_id: Id; // withdrawal
  cents: number; // cents
}
/** The packet is paid for, and stands in the group's sequence as a message of kind redpack. */
export interface PacketSent {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sent_at: number; // time
  packet_id: Id; // packet
}
/** Somebody (`sender`) opened a share (in the group's sequence). `cents` is 0 where amounts are kept private. */
export interface PacketOpened {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  packet_id: Id; // packet
  cents: number; // cents
  left: number; // count
}
/** The last share was opened (in the group's sequence): the luckiest, and the seed that proves every draw. */
export interface PacketExhausted {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  packet_id: Id; // packet
  luckiest: Person | null;
  luckiest_cents: number; // cents
  server_seed: Uint8Array;
}
/** Nobody opened the rest in time; it went back to its sender (in the group's sequence). */
export interface PacketExpired {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  packet_id: Id; // packet
  refunded: number; // cents
  left: number; // count
  server_seed: Uint8Array;
}
/** My balance changed by something no group of mine shows: a grant, a refund after I left, a payout (personal, a hint). */
export interface WalletChanged {
  cents: number; // cents
}
/** Change rules of a group: those given; nil leaves a rule as it is. GroupRules says what each means. */
export interface SetRules {
  client_id: Uint8Array;
  group_id: Id; // group
  invite?: number | null; // role
  approval?: boolean | null;
  history?: boolean | null;
  mute_all?: boolean | null;
  slow_mode?: number | null; // seconds
  max_members?: number | null; // count
  pin?: number | null; // role
  mention_all?: number | null; // role
  keep_edits?: boolean | null;
}
/** Make a member an admin (2), or an admin a plain member (1). */
export interface SetRole {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
  role: number; // role
}
/** Make another member the owner; I become an admin. A group has exactly one owner at any time. */
export interface HandOver {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
}
/** End a group: everybody is out, its history is no longer readable, and it refuses everything from then on. */
export interface DissolveGroup {
  client_id: Uint8Array;
  group_id: Id; // group
}
/** Let a member of lower role say nothing until a time (0: let them speak again). It outlasts leaving and coming back. */
export interface MuteMember {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
  until: number; // time
}
/** Keep somebody out until a time: a member of lower role is removed; nobody can add them or let them in before. */
export interface BanUser {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
  until?: number; // time
}
/** Let somebody who is banned come back. It adds them to nothing. */
export interface UnbanUser {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
}
/** Who is kept out of this group? `after` is the last user id of the page before, or 0. */
export interface ListBans {
  group_id: Id; // group
  after?: Id; // user
}
/** Say how I am called in this group, once a minute at most; an empty nickname is none. Not for who may not speak. */
export interface SetNickname {
  client_id: Uint8Array;
  group_id: Id; // group
  nickname: string;
}
/** Put up the group's notice (its announcement); an empty text takes it down. ShowGroup answers it. */
export interface SetNotice {
  client_id: Uint8Array;
  group_id: Id; // group
  text: string;
}
/** Make a code by which people join until `expires_at`, at most `max_uses` of them (0: any number). */
export interface MakeInvite {
  client_id: Uint8Array;
  group_id: Id; // group
  expires_at?: number; // time
  max_uses?: number; // count
}
/** End an invite: one of mine, or as an admin anybody's. */
export interface RevokeInvite {
  client_id: Uint8Array;
  group_id: Id; // group
  code: string;
}
/** Which invites of this group are good? */
export interface ListInvites {
  group_id: Id; // group
}
/** Join a group by an invite's code. Where the group lets people in by approval, ask to join, with a word about me. */
export interface JoinGroup {
  client_id: Uint8Array;
  code: string;
  note?: string;
}
/** Who asks to be let in? `after` is the last user id of the page before, or 0. */
export interface ListJoinRequests {
  group_id: Id; // group
  after?: Id; // user
}
/** Let somebody in who asked, or don't: then the request is gone, and they may ask again. */
export interface DecideJoin {
  client_id: Uint8Array;
  group_id: Id; // group
  user_id: Id; // user
  accept: boolean;
}
/** The conversation of me and one other person: made if there is none. There is one for each pair, whoever starts it. */
export interface OpenDirect {
  user_id: Id; // user
}
/** Who is banned now, by user id; `more` says that others follow the last one. */
export interface Bans {
  bans: Ban[];
  more: boolean;
}
/** The invite is good from now on. Its code is random; who has it can use it. */
export interface InviteMade {
  invite: Invite;
}
/** The invites that are good now: all of them for admins, my own for others. */
export interface Invites {
  invites: Invite[];
}
/** I am in the group since the event `seq`; or, with `waiting`, an admin has to let me in first (`seq` is 0 then). */
export interface Entered {
  group_id: Id; // group
  name: string;
  seq: number; // seq
  waiting: boolean;
}
/** Who asks to be let in, by user id; `more` says that others follow the last one. */
export interface JoinRequests {
  requests: JoinRequest[];
  more: boolean;
}
/** The group's rules are these now (in its sequence). */
export interface RulesChanged {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  rules: GroupRules;
}
/** A member has another role (in the group's sequence). */
export interface RoleChanged {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
  role: number; // role
}
/** This member is the owner now, and who was is an admin (in the group's sequence). */
export interface OwnerChanged {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
}
/** The last event of a group (in its sequence). A Removed of one's own follows; who was away learns it from the list. */
export interface GroupDissolved {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
}
/** A member may say nothing until this time; with 0 they may speak again (in the group's sequence). */
export interface MemberMuted {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
  until: number; // time
}
/** Somebody is kept out until this time, and is no member from here on (in the group's sequence). */
export interface UserBanned {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
  until: number; // time
}
/** Somebody may come back (in the group's sequence). */
export interface UserUnbanned {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  member: Person;
}
/** `sender` is called this in the group; empty: by their name again (in the group's sequence). */
export interface NicknameChanged {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  nickname: string;
}
/** The group's notice says this now; empty: it was taken down (in the group's sequence). */
export interface NoticeChanged {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  text: string;
}
/** Somebody asks to be let in (personal, to admins; a hint: the list of requests is the truth). */
export interface JoinRequested {
  group_id: Id; // group
  request: JoinRequest;
}
/** A request was answered (personal, to admins, and where it was refused to who asked). */
export interface JoinDecided {
  group_id: Id; // group
  user_id: Id; // user
  accepted: boolean;
}
/** Give a text of mine other words. Nobody finds the old ones any more, but admins, if the group keeps edits. */
export interface Edit {
  client_id: Uint8Array;
  group_id: Id; // group
  of: number; // seq
  text: string;
  mentions?: Id[] | null;
  mention_all?: boolean | null;
}
/** Take a message back, for everybody: my own within the server's time, or (a right) somebody else's at any time. */
export interface Recall {
  client_id: Uint8Array;
  group_id: Id; // group
  of: number; // seq
}
/** Put an emoji under a message, or (`on` false) take mine away. The reply's `seq` is 0 where it was so already. */
export interface React {
  client_id: Uint8Array;
  group_id: Id; // group
  of: number; // seq
  emoji: string;
  on?: boolean;
}
/** Pin a message, or (`on` false) unpin it: a right. The reply's `seq` is 0 where it was so already. */
export interface Pin {
  client_id: Uint8Array;
  group_id: Id; // group
  of: number; // seq
  on?: boolean;
}
/** Say a message that I can read in `from_group` again in another group (or the same), with its author's name. */
export interface Forward {
  client_id: Uint8Array;
  group_id: Id; // group
  from_group: Id; // group
  of: number; // seq
}
/** Count this group apart for me, and do not disturb me with it; or (`quiet` false) do again. */
export interface SetQuiet {
  group_id: Id; // group
  quiet: boolean;
}
/** This device has everything of these groups up to these numbers. At most one a second is worth sending. */
export interface Delivered {
  marks: Range[];
}
/** Who has, and who has read, a message of mine? `after` is the last user id of the page before, or 0. */
export interface ListReceipts {
  group_id: Id; // group
  of: number; // seq
  after?: Id; // user
}
/** Which reactions does a message have? `after` is the last reaction's `seq` of the page before, or 0. */
export interface ListReactions {
  group_id: Id; // group
  of: number; // seq
  after?: number; // seq
}
/** What is pinned in this group, of what I may read? */
export interface ListPins {
  group_id: Id; // group
}
/** What did a message say before it was edited? For admins, if the group keeps edits. `after`: skip so many. */
export interface ListVersions {
  group_id: Id; // group
  of: number; // seq
  after?: number; // count
}
/** Messages that hold all of these words, in one group or (0) in all of mine: `Message` events, the latest first. */
export interface Search {
  query: string;
  group_id?: Id; // group
  before?: Id; // message
  limit?: number; // count
}
/** Who has one message, by user id; those who have not are left out. `more` says that others follow the last one. */
export interface Receipts {
  receipts: Receipt[];
  more: boolean;
  members: number; // count
  delivered: number; // count
  read: number; // count
}
/** Reactions to one message in the order they came; `more` says that others follow the last one. */
export interface Reactions {
  reactions: Reaction[];
  more: boolean;
}
/** What is pinned in a group, the latest first. */
export interface Pins {
  pins: PinnedMessage[];
}
/** Earlier texts of a message, the oldest first. `more` says that others follow the last one. */
export interface Versions {
  versions: Version[];
  more: boolean;
}
/** The end of a search: the messages came before it, the latest first. `more`: ask again with `before` = `last`. */
export interface Found {
  last: Id; // message
  more: boolean;
}
/** A message has other words (in the group's sequence): those it has now, at edit `edited_seq`; `of` is its seq. */
export interface Edited {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  of: number; // seq
  text: string;
  edited_seq: number; // seq
  edited_at: number; // time
  mentions: Id[];
  mention_all: boolean;
}
/** A message was taken back by `sender` (in the group's sequence): forget its text, quotes, reactions and pin. */
export interface Recalled {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  of: number; // seq
}
/** `sender` put an emoji under a message, or took theirs away (in the group's sequence). */
export interface Reacted {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  of: number; // seq
  emoji: string;
  on: boolean;
}
/** A message was pinned or unpinned (in the group's sequence). */
export interface Pinned {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  of: number; // seq
  on: boolean;
}
/** I made a group quiet or not, on this device or another (personal, a hint: the list of groups is the truth). */
export interface QuietSet {
  group_id: Id; // group
  quiet: boolean;
  user_version: number; // list_version
}
/** Wait under four digits, here. Whoever waited under another code leaves it; the same again changes nothing. */
export interface EnterCode {
  code: string;
  position?: Position | null;
}
/** Who waits with me? For another device of mine, and after a lost connection. */
export interface ShowLobby {
}
/** Wait no longer. */
export interface LeaveLobby {
}
/** Enter the group of the lobby I wait in. The first to do so makes it, and is its owner; the answer is the same. */
export interface EnterGroup {
  client_id: Uint8Array;
}
/** I wait under this code until `expires_at`, together with these people; I am among them. */
export interface InLobby {
  code: string;
  expires_at: number; // time
  people: Waiting[];
}
/** On the waiting page these came, or changed (by user id); those went (personal, to all who wait). */
export interface LobbyChanged {
  code: string;
  came: Waiting[];
  went: Id[];
}
/** I wait no longer: the time is over, I entered `group_id` or left, or I went elsewhere (personal). */
export interface LobbyClosed {
  code: string;
  reason: string;
  group_id: Id; // group
}
/** Change my profile: what is given; nil leaves it as it is. An empty nickname, or avatar 0, is none. */
export interface SetProfile {
  nickname?: string | null;
  avatar?: Id | null; // medium
  hidden?: boolean | null;
  who_adds?: number | null; // who_adds
}
/** How do these people show themselves? Of people with whom I am in no group (a conversation of two is one), only */
export interface GetProfiles {
  people: Id[];
}
/** Keep somebody away from me, or (`on` false) let them again. They are told nothing until they try. */
export interface Block {
  user_id: Id; // user
  on?: boolean;
}
/** Whom do I block? By user id. */
export interface ListBlocked {
}
/** Tell this connection when these people come and go, instead of those it asked for before; nobody: tell nothing. */
export interface WatchPresence {
  people: Id[];
}
/** Which members of a group are there now? By user id, without those who hide (but with me). */
export interface WhoIsHere {
  group_id: Id; // group
}
/** I am typing in a group. Once every few seconds is enough; it is forgotten by itself. */
export interface Typing {
  group_id: Id; // group
}
/** My profile, whether I hide when I am there, and who may add me to groups (1 everybody, 2 whom I know, 3 nobody). */
export interface MyProfile {
  profile: Profile;
  hidden: boolean;
  who_adds: number; // who_adds
}
/** The profiles asked for, in the order of the question; who does not exist is left out. */
export interface Profiles {
  profiles: Profile[];
}
/** What is known now. Who shares no group with me, does not exist or hides is left out: these look alike. */
export interface Presences {
  people: Presence[];
}
/** Members who are there, by user id; `online` is how many they are, where one frame does not hold all. */
export interface Here {
  people: Person[];
  online: number; // count
}
/** These people came or went, or cannot be watched any more (then as gone, at no known time). */
export interface PresenceChanged {
  people: Presence[];
}
/** These people are typing in a group: show it for some five seconds. Not everybody is named where many do. */
export interface TypingNow {
  group_id: Id; // group
  people: Person[];
}
/** My profile is this now, changed on this device or another (personal). */
export interface ProfileChanged {
  profile: Profile;
  hidden: boolean;
  who_adds: number; // who_adds
}
/** I block this person now, or no longer (personal). */
export interface BlockChanged {
  person: Person;
  on: boolean;
}
/** Say something with a medium: one I uploaded, or one I may see. Its kind is that of the message. */
export interface SendMedia {
  client_id: Uint8Array;
  group_id: Id; // group
  media_id: Id; // medium
  caption?: string;
  extra?: SendExtra | null;
}
/** Give me URLs for what cannot send a header: an image element, a player, a browser. */
export interface MediaUrl {
  media_id: Id; // medium
}
/** Which messages of a group carry media, before the seq `before` (0: to the end)? The latest first. */
export interface ListMedia {
  group_id: Id; // group
  before?: number; // seq
  limit?: number; // count
}
/** Give a group a picture that I uploaded myself (0: none): the right to rename it. One that stands in a message is */
export interface SetAvatar {
  client_id: Uint8Array;
  group_id: Id; // group
  media_id: Id; // medium
}
/** What takes how much of my room for media? Below this size and id (0 and 0: from the largest on). */
export interface ShowMediaUsage {
  size?: number; // bytes
  before?: Id; // medium
}
/** Delete an upload of mine, for everybody, wherever it was sent or forwarded. To repeat it changes nothing. */
export interface DeleteMedium {
  media_id: Id; // medium
}
/** Where the bytes of a medium, and of its thumbnail (empty: it has none), can be fetched until `expires_at`. */
export interface MediaUrls {
  url: string;
  thumbnail_url: string;
  expires_at: number; // time
}
/** The end of a list of media: the `Message` events came before it, the latest first. */
export interface MediaPage {
  last: number; // seq
  more: boolean;
}
/** How many bytes of my `quota` are taken: `stored` by uploads, the same bytes once, and `announced` by uploads under way. */
export interface OwnMediaUsage {
  quota: number; // bytes
  stored: number; // bytes
  announced: number; // bytes
  media: OwnMedium[];
  more: boolean;
}
/** The group has another picture, or (0) none (in the group's sequence). */
export interface AvatarSet {
  group_id: Id; // group
  seq: number; // seq
  id: Id; // message
  ordinal: number; // ordinal
  sender_id: Id; // user
  sender: string;
  sent_at: number; // time
  media_id: Id; // medium
}
/** Into which groups am I invited? Somebody tried to add me where that takes my consent. */
export interface ListInvitations {
}
/** Come into a group by an invitation, as long as its maker may add people there. It is kept for 30 days. */
export interface AcceptInvitation {
  client_id: Uint8Array;
  group_id: Id; // group
}
/** Take an invitation off my list. Nobody is told, and for 30 days nobody invites me into the group again. */
export interface IgnoreInvitation {
  group_id: Id; // group
}
/** Which groups did others put me into? `after` is the last group id of the page before, or 0. */
export interface ListAddedGroups {
  after?: Id; // group
}
/** Leave these groups, each by itself: what LeaveGroup does. To repeat it is harmless. */
export interface LeaveGroups {
  groups: Id[];
}
/** What I have not answered, the latest first. */
export interface Invitations {
  invitations: Invitation[];
}
/** Groups by id; `more` says that others follow the last one. */
export interface AddedGroups {
  groups: AddedGroup[];
  more: boolean;
}
/** The groups that I left, and those that I did not (an owner stays; I was not in them). */
export interface GroupsLeft {
  left: Id[];
  kept: Id[];
}
/** Somebody asks me to come into a group (personal; a hint: the list of invitations is the truth). */
export interface Invited {
  invitation: Invitation;
}
/** With which key does this server send notifications, and does this session get them? */
export interface ShowPush {
}
/** Send notifications for this session to its device, by a push service, while the session has no connection. */
export interface SubscribePush {
  endpoint: string;
  p256dh: Uint8Array;
  auth: Uint8Array;
  show_text?: boolean;
}
/** Send no notifications to this session's device any more. Without a subscription it does nothing. */
export interface UnsubscribePush {
}
/** `key`: the server's public key, what a browser calls `applicationServerKey` (RFC 8292): a point of P-256, not compressed. */
export interface PushShown {
  key: Uint8Array;
  subscribed: boolean;
  shows_text: boolean;
}
/** Tell the operators about a message that I may read, and why. */
export interface ReportMessage {
  group_id: Id; // group
  of: number; // seq
  reason: string;
}
/** Tell the operators about somebody else, and why. Who does it again replaces the reason, as long as the report is open. */
export interface ReportPerson {
  user_id: Id; // user
  reason: string;
}
/** What did people report, the latest first: what is open, or (`closed`) what is not? */
export interface ListReports {
  before?: number; // count
  closed?: boolean;
}
/** Close a report, with a note for other operators. One that is closed stays as it is. */
export interface CloseReport {
  number: number; // count
  note?: string;
}
/** Reports, the latest first; `more` says that there are earlier ones. */
export interface Reports {
  reports: Report[];
  more: boolean;
}
/** What each command sends and how it is answered. */
export interface Commands {
  Ping: { send: Ping; reply: Pong };
  Hello: { send: Hello; reply: Welcome };
  Register: { send: Register; reply: LoggedIn };
  Login: { send: Login; reply: LoggedIn };
  Resume: { send: Resume; reply: LoggedIn };
  Logout: { send: Logout; reply: Done };
  ChangePassword: { send: ChangePassword; reply: Done };
  ListSessions: { send: ListSessions; reply: Sessions };
  EndSession: { send: EndSession; reply: Done };
  FindPeople: { send: FindPeople; reply: People };
  ResumeHere: { send: ResumeHere; reply: LoggedIn };
  MakeGroup: { send: MakeGroup; reply: GroupMade };
  RenameGroup: { send: RenameGroup; reply: Changed };
  AddMembers: { send: AddMembers; reply: Changed };
  RemoveMember: { send: RemoveMember; reply: Changed };
  LeaveGroup: { send: LeaveGroup; reply: Changed };
  ShowGroup: { send: ShowGroup; reply: GroupShown };
  ListMembers: { send: ListMembers; reply: Members };
  Send: { send: Send; reply: Sent };
  ListGroups: { send: ListGroups; reply: Groups };
  History: { send: History; reply: Page };
  CatchUp: { send: CatchUp; reply: CaughtUp };
  MarkRead: { send: MarkRead; reply: Done };
  Backup: { send: Backup; reply: Done };
  EnableUser: { send: EnableUser; reply: UserEnabled };
  ResetPassword: { send: ResetPassword; reply: Done };
  ListAllGroups: { send: ListAllGroups; reply: AllGroups };
  AppointOwner: { send: AppointOwner; reply: Done };
  DissolveAnyGroup: { send: DissolveAnyGroup; reply: Done };
  ListAccounts: { send: ListAccounts; reply: Accounts };
  ListAudit: { send: ListAudit; reply: AuditEntries };
  ShowFigures: { send: ShowFigures; reply: Figures };
  PreparePacket: { send: PreparePacket; reply: PacketPrepared };
  SendPacket: { send: SendPacket; reply: PacketSent };
  GrabPacket: { send: GrabPacket; reply: Grabbed };
  OpenPacket: { send: OpenPacket; reply: PacketShare };
  ShowPacket: { send: ShowPacket; reply: PacketShown };
  ShowBalance: { send: ShowBalance; reply: Balance };
  ShowStatement: { send: ShowStatement; reply: Statement };
  GrantMoney: { send: GrantMoney; reply: Balance };
  Withdraw: { send: Withdraw; reply: Withdrawn };
  SetRules: { send: SetRules; reply: Changed };
  SetRole: { send: SetRole; reply: Changed };
  HandOver: { send: HandOver; reply: Changed };
  DissolveGroup: { send: DissolveGroup; reply: Changed };
  MuteMember: { send: MuteMember; reply: Changed };
  BanUser: { send: BanUser; reply: Changed };
  UnbanUser: { send: UnbanUser; reply: Changed };
  ListBans: { send: ListBans; reply: Bans };
  SetNickname: { send: SetNickname; reply: Changed };
  SetNotice: { send: SetNotice; reply: Changed };
  MakeInvite: { send: MakeInvite; reply: InviteMade };
  RevokeInvite: { send: RevokeInvite; reply: Done };
  ListInvites: { send: ListInvites; reply: Invites };
  JoinGroup: { send: JoinGroup; reply: Entered };
  ListJoinRequests: { send: ListJoinRequests; reply: JoinRequests };
  DecideJoin: { send: DecideJoin; reply: Done };
  OpenDirect: { send: OpenDirect; reply: GroupShown };
  Edit: { send: Edit; reply: Changed };
  Recall: { send: Recall; reply: Changed };
  React: { send: React; reply: Changed };
  Pin: { send: Pin; reply: Changed };
  Forward: { send: Forward; reply: Sent };
  SetQuiet: { send: SetQuiet; reply: Done };
  Delivered: { send: Delivered; reply: Done };
  ListReceipts: { send: ListReceipts; reply: Receipts };
  ListReactions: { send: ListReactions; reply: Reactions };
  ListPins: { send: ListPins; reply: Pins };
  ListVersions: { send: ListVersions; reply: Versions };
  Search: { send: Search; reply: Found };
  EnterCode: { send: EnterCode; reply: InLobby };
  ShowLobby: { send: ShowLobby; reply: InLobby };
  LeaveLobby: { send: LeaveLobby; reply: Done };
  EnterGroup: { send: EnterGroup; reply: Entered };
  SetProfile: { send: SetProfile; reply: MyProfile };
  GetProfiles: { send: GetProfiles; reply: Profiles };
  Block: { send: Block; reply: Done };
  ListBlocked: { send: ListBlocked; reply: People };
  WatchPresence: { send: WatchPresence; reply: Presences };
  WhoIsHere: { send: WhoIsHere; reply: Here };
  Typing: { send: Typing; reply: Done };
  SendMedia: { send: SendMedia; reply: Sent };
  MediaUrl: { send: MediaUrl; reply: MediaUrls };
  ListMedia: { send: ListMedia; reply: MediaPage };
  SetAvatar: { send: SetAvatar; reply: Changed };
  ShowMediaUsage: { send: ShowMediaUsage; reply: OwnMediaUsage };
  DeleteMedium: { send: DeleteMedium; reply: Done };
  ListInvitations: { send: ListInvitations; reply: Invitations };
  AcceptInvitation: { send: AcceptInvitation; reply: Entered };
  IgnoreInvitation: { send: IgnoreInvitation; reply: Done };
  ListAddedGroups: { send: ListAddedGroups; reply: AddedGroups };
  LeaveGroups: { send: LeaveGroups; reply: GroupsLeft };
  ShowPush: { send: ShowPush; reply: PushShown };
  SubscribePush: { send: SubscribePush; reply: Done };
  UnsubscribePush: { send: UnsubscribePush; reply: Done };
  ReportMessage: { send: ReportMessage; reply: Done };
  ReportPerson: { send: ReportPerson; reply: Done };
  ListReports: { send: ListReports; reply: Reports };
  CloseReport: { send: CloseReport; reply: Done };
}
/** What the server sends unasked, or as parts of an answer. */
export interface Events {
  Lagging: Lagging;
  Draining: Draining;
  SessionOver: SessionOver;
  GroupCreated: GroupCreated;
  GroupRenamed: GroupRenamed;
  MembersAdded: MembersAdded;
  MemberRemoved: MemberRemoved;
  Added: Added;
  Removed: Removed;
  Message: Message;
  ReadMoved: ReadMoved;
  PacketOpened: PacketOpened;
  PacketExhausted: PacketExhausted;
  PacketExpired: PacketExpired;
  WalletChanged: WalletChanged;
  RulesChanged: RulesChanged;
  RoleChanged: RoleChanged;
  OwnerChanged: OwnerChanged;
  GroupDissolved: GroupDissolved;
  MemberMuted: MemberMuted;
  UserBanned: UserBanned;
  UserUnbanned: UserUnbanned;
  NicknameChanged: NicknameChanged;
  NoticeChanged: NoticeChanged;
  JoinRequested: JoinRequested;
  JoinDecided: JoinDecided;
  Edited: Edited;
  Recalled: Recalled;
  Reacted: Reacted;
  Pinned: Pinned;
  QuietSet: QuietSet;
  LobbyChanged: LobbyChanged;
  LobbyClosed: LobbyClosed;
  PresenceChanged: PresenceChanged;
  TypingNow: TypingNow;
  ProfileChanged: ProfileChanged;
  BlockChanged: BlockChanged;
  AvatarSet: AvatarSet;
  Invited: Invited;
}
/** Every code that `Refused.code` can be in this version. */
export type ErrorCode =
  | "frame_too_large"
  | "frame_broken"
  | "hello_first"
  | "version_unsupported"
  | "timed_out"
  | "too_many_connections"
  | "unknown_type"
  | "bad_field"
  | "not_now"
  | "login_first"
  | "rate_limited"
  | "server_busy"
  | "server_stopping"
  | "storage_full"
  | "internal"
  | "client_id_conflict"
  | "client_id_expired"
  | "registration_closed"
  | "plaintext_refused"
  | "name_taken"
  | "bad_credentials"
  | "session_ended"
  | "password_weak"
  | "operator_only"
  | "user_unknown"
  | "group_unknown"
  | "group_full"
  | "forbidden"
  | "already_member"
  | "not_member"
  | "owner_must_stay"
  | "text_empty"
  | "message_unknown"
  | "too_late"
  | "too_many"
  | "query_empty"
  | "message_refused"
  | "muted"
  | "slow_mode"
  | "banned"
  | "not_banned"
  | "invite_unknown"
  | "approval_needed"
  | "request_unknown"
  | "blocked"
  | "user_disabled"
  | "media_unknown"
  | "media_off"
  | "not_a_picture"
  | "push_off"
  | "push_service_unknown"
  | "report_unknown"
  | "position_needed"
  | "lobby_over"
  | "packet_unknown"
  | "prepared_lapsed"
  | "bad_amount"
  | "bad_count"
  | "bad_mode"
  | "bad_receiver"
  | "insufficient_funds"
  | "balance_too_large"
  | "already_had"
  | "exhausted"
  | "expired"
  | "not_for_you";
export const LIMITS = {
  "VERSION": 1,
  "MAX_FRAME_BEFORE_LOGIN": 4096,
  "MAX_FRAME": 65536,
  "MAX_TEXT_BYTES": 16384,
  "MAX_NAME": 32,
  "MAX_TITLE": 64,
  "MAX_PASSWORD": 256,
  "MAX_GROUP_MEMBERS": 500,
  "MAX_NOTICE_BYTES": 2048,
  "MAX_SLOW_MODE": 86400,
  "MAX_INVITES": 100,
  "MAX_JOIN_REQUESTS": 1000,
  "MAX_LIST": 500,
  "MAX_NESTING": 4,
  "MAX_ARRAY": 564,
  "MAX_NUMBER": 65535,
  "MAX_REQUEST_ID": 4294967295,
  "MAX_EXACT": 9007199254740991,
  "MAX_CENTS": 9007199254740991,
  "MAX_WEBSOCKET_MESSAGE": 262144,
  "MAX_PAGE": 200,
  "MAX_PAGE_BYTES": 262144,
  "MAX_EXCERPT": 200,
  "MAX_PREVIEW": 60,
  "MAX_MENTIONS": 50,
  "MAX_PINS": 50,
  "MAX_FILE_NAME": 200,
  "MAX_TINY_BYTES": 1536,
  "MAX_REACTIONS": 8,
  "MAX_REQUESTS": 128,
  "MAX_REQUEST_BYTES": 262144,
  "CLIENT_ID_DAYS": 7
} as const;
/** What an operation in a group takes: the least role, or the rule that holds it; `higher`: over lower roles only. */
export const RIGHTS = {
  "READ": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "MARK": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "SPEAK": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "REACT": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "EDIT_OWN": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "RECALL_OWN": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "RECALL_OTHERS": {
    "least": 2,
    "direct": false,
    "higher": true
  },
  "READ_EDITS": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "PIN": {
    "least": "pin",
    "direct": true,
    "higher": false
  },
  "MENTION_ALL": {
    "least": "mention_all",
    "direct": false,
    "higher": false
  },
  "SEND_PACKET": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "OPEN_PACKET": {
    "least": 1,
    "direct": true,
    "higher": false
  },
  "NICKNAME": {
    "least": 1,
    "direct": false,
    "higher": false
  },
  "LEAVE": {
    "least": 1,
    "direct": false,
    "higher": false
  },
  "ADD": {
    "least": "invite",
    "direct": false,
    "higher": false
  },
  "INVITE": {
    "least": "invite",
    "direct": false,
    "higher": false
  },
  "MANAGE_INVITES": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "ADMIT": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "REMOVE": {
    "least": 2,
    "direct": false,
    "higher": true
  },
  "MUTE": {
    "least": 2,
    "direct": false,
    "higher": true
  },
  "BAN": {
    "least": 2,
    "direct": false,
    "higher": true
  },
  "LIFT_BAN": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "RENAME": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "NOTICE": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "RULES": {
    "least": 2,
    "direct": false,
    "higher": false
  },
  "APPOINT": {
    "least": 3,
    "direct": false,
    "higher": true
  },
  "HAND_OVER": {
    "least": 3,
    "direct": false,
    "higher": true
  },
  "DISSOLVE": {
    "least": 3,
    "direct": false,
    "higher": false
  }
} as const;
/** One message or structure a line; protocol/typescript.py says how to read it. */
export const TABLE = `
0 AccountEntry person:Person created_at:n operator:b disabled:b sessions:n groups:n seen_at:n
0 AddedGroup group_id:i name:s by:Person joined_at:n
0 AuditEntry number:n at:n actor:s action:s subject:s detail:s
0 Ban user_id:i name:s until:n by:s
0 Group group_id:i name:s role:n members:n seq:n ordinal:n read_seq:n read_ordinal:n visible_from:n history:b mentions:n=0 quiet:b=false delivered_seq:n=0 last:?Preview=null kind:n=1 rules:GroupRules=0 nickname:s="" muted_until:n=0 avatar:i="0" own_above:n=0
0 GroupRules invite:n=1 approval:b=false history:b=true mute_all:b=false slow_mode:n=0 max_members:n=500 pin:n=2 mention_all:n=2 keep_edits:b=true
0 Invitation group_id:i name:s by:Person made_at:n
0 Invite code:s made_by:Person made_at:n expires_at:n max_uses:n uses:n
0 JoinRequest person:Person note:s made_at:n
0 MediaHead id:i mime:s size:n name:s width:n=0 height:n=0 duration:n=0 blurhash:s="" preview:y="" waveform:y=""
0 Member user_id:i name:s role:n joined_at:n nickname:s="" muted_until:n=0 disabled:b=false
0 MessageExtra reply_to:?Quote=null mentions:*i=[] mention_all:b=false forwarded:?Origin=null edited_seq:n=0 edited_at:n=0 recalled:b=false
0 Opening number:n user_id:i name:s cents:n opened_at:n
0 Origin sender:s sent_at:n
0 OwnMedium id:i kind:n mime:s size:n name:s uploaded_at:n messages:n avatar:b copies:b
0 OwnedGroup group_id:i name:s members:n owner:?Person
0 PacketHead packet_id:i total:n count:n mode:n receiver_id:i expires_at:n commitment:y client_seed:y
0 Person user_id:i name:s
0 PinnedMessage of:n seq:n pinned_by:s sender:s sent_at:n excerpt:s
0 Position lat:n lon:n
0 Presence user_id:i online:b seen_at:n
0 Preview seq:n sender_id:i sender:s sent_at:n kind:n text:s recalled:b=false
0 Profile user_id:i name:s nickname:s avatar:i disabled:b=false
0 Progress group_id:i last:n seq:n
0 Quote of:n sender_id:i sender:s excerpt:s edited_seq:n=0
0 Range group_id:i after:n
0 Reaction seq:n user_id:i name:s emoji:s
0 Receipt user_id:i name:s read:b
0 Report number:n at:n by:Person person:Person group_id:i group:s of:n text:s reason:s closed_at:n closed_by:s note:s
0 SendExtra reply_to:n=0 mentions:*i=[] mention_all:b=false keep_excerpt:b=false
0 Session session_id:i device:s created_at:n seen_at:n current:b
0 StatementLine transfer_id:i kind:s cents:n about:i at:n
0 Version replaced_at:n text:s
0 Waiting user_id:i name:s nickname:s avatar:i entered:b
1 Ping
40 Done
41 Refused code:s message:s at:?s=null retry_after:n=0
42 Pong now:n
c0 Lagging dropped:n
c1 Draining within:n
101 Hello versions:*n agent:s
102 Register name:s password:s device:s
103 Login name:s password:s device:s
104 Resume token:y
105 Logout
106 ChangePassword old:s new:s
107 ListSessions
108 EndSession session_id:i
109 FindPeople names:*s
10a ResumeHere
140 Welcome version:n server:s now:n heartbeat:n max_frame:n max_requests:n registration_open:b http:s="" page:s=""
141 LoggedIn user_id:i name:s session_id:i token:y user_version:n operator:b
142 Sessions sessions:*Session
143 People people:*Person
1c0 SessionOver reason:s session_id:i
201 MakeGroup client_id:y name:s members:*i=[] history:b=true
202 RenameGroup client_id:y group_id:i name:s
203 AddMembers client_id:y group_id:i members:*i
204 RemoveMember client_id:y group_id:i user_id:i
205 LeaveGroup client_id:y group_id:i
206 ShowGroup group_id:i
207 ListMembers group_id:i after:i="0"
240 GroupMade group_id:i seq:n invited:*i=[]
241 Changed group_id:i seq:n invited:*i=[]
242 GroupShown group:Group notice:s="" notice_by:s="" notice_at:n=0
243 Members members:*Member more:b
280 GroupCreated group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n name:s members:*Person
281 GroupRenamed group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n name:s
282 MembersAdded group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n members:*Person
283 MemberRemoved group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person
2c0 Added group:Group user_version:n
2c1 Removed group_id:i seq:n user_version:n reason:n=0
301 Send client_id:y group_id:i text:s extra:?SendExtra=null
340 Sent group_id:i seq:n id:i ordinal:n sent_at:n
380 Message group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n kind:n text:s packet:?PacketHead=null extra:?MessageExtra=null media:?MediaHead=null
401 ListGroups since:n=0 after:i="0"
402 History group_id:i after:n=0 before:n=0 limit:n=200 newest:b=false
403 CatchUp ranges:*Range
404 MarkRead group_id:i seq:n
440 Groups groups:*Group more:b user_version:n reset:b
441 Page group_id:i first:n last:n more:b seq:n
442 CaughtUp groups:*Progress
4c0 ReadMoved group_id:i read_seq:n read_ordinal:n own_above:n=0 head:n=0
501 Backup name:s
502 EnableUser name:s enabled:b
503 ResetPassword name:s password:s
504 ListAllGroups after:i="0"
505 AppointOwner group_id:i user_id:i
506 DissolveAnyGroup group_id:i
507 ListAccounts part:s="" after:i="0"
508 ListAudit before:n=0
509 ShowFigures
540 UserEnabled handed_over:*OwnedGroup more:b
541 AllGroups groups:*OwnedGroup more:b
542 Accounts accounts:*AccountEntry more:b
543 AuditEntries entries:*AuditEntry more:b
544 Figures now:n up:n accounts:n disabled:n groups:n messages:n media:n media_bytes:n database_bytes:n users_online:n connections:n commands:n commit:n nodes:n full:b deaf:b
601 PreparePacket client_id:y group_id:i total:n count:n mode:n=1 receiver_id:i="0"
602 SendPacket client_id:y group_id:i packet_id:i client_seed:y greeting:s=""
603 GrabPacket group_id:i packet_id:i
604 OpenPacket client_id:y group_id:i packet_id:i
605 ShowPacket packet_id:i after:n=0
606 ShowBalance
607 ShowStatement before:i="0" limit:n=50
608 GrantMoney client_id:y name:s cents:n
609 Withdraw client_id:y cents:n
640 PacketPrepared packet_id:i commitment:y lapses_at:n
641 Grabbed answer:s cents:n=0
642 PacketShare packet_id:i cents:n number:n left:n
643 PacketShown packet_id:i group_id:i seq:n sender:Person greeting:s total:n count:n mode:n receiver_id:i state:s remaining:n refunded:n sent_at:n expires_at:n commitment:y client_seed:y server_seed:y luckiest:?n openings:*Opening more:b=false
644 Balance cents:n
645 Statement lines:*StatementLine more:b cents:n
646 Withdrawn withdrawal_id:i cents:n
647 PacketSent group_id:i seq:n id:i ordinal:n sent_at:n packet_id:i
680 PacketOpened group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n packet_id:i cents:n left:n
681 PacketExhausted group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n packet_id:i luckiest:?Person luckiest_cents:n server_seed:y
682 PacketExpired group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n packet_id:i refunded:n left:n server_seed:y
6c0 WalletChanged cents:n
701 SetRules client_id:y group_id:i invite:?n=null approval:?b=null history:?b=null mute_all:?b=null slow_mode:?n=null max_members:?n=null pin:?n=null mention_all:?n=null keep_edits:?b=null
702 SetRole client_id:y group_id:i user_id:i role:n
703 HandOver client_id:y group_id:i user_id:i
704 DissolveGroup client_id:y group_id:i
705 MuteMember client_id:y group_id:i user_id:i until:n
706 BanUser client_id:y group_id:i user_id:i until:n=9007199254740991
707 UnbanUser client_id:y group_id:i user_id:i
708 ListBans group_id:i after:i="0"
709 SetNickname client_id:y group_id:i nickname:s
70a SetNotice client_id:y group_id:i text:s
70b MakeInvite client_id:y group_id:i expires_at:n=9007199254740991 max_uses:n=0
70c RevokeInvite client_id:y group_id:i code:s
70d ListInvites group_id:i
70e JoinGroup client_id:y code:s note:s=""
70f ListJoinRequests group_id:i after:i="0"
710 DecideJoin client_id:y group_id:i user_id:i accept:b
711 OpenDirect user_id:i
740 Bans bans:*Ban more:b
741 InviteMade invite:Invite
742 Invites invites:*Invite
743 Entered group_id:i name:s seq:n waiting:b
744 JoinRequests requests:*JoinRequest more:b
780 RulesChanged group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n rules:GroupRules
781 RoleChanged group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person role:n
782 OwnerChanged group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person
783 GroupDissolved group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n
784 MemberMuted group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person until:n
785 UserBanned group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person until:n
786 UserUnbanned group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n member:Person
787 NicknameChanged group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n nickname:s
788 NoticeChanged group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n text:s
7c0 JoinRequested group_id:i request:JoinRequest
7c1 JoinDecided group_id:i user_id:i accepted:b
801 Edit client_id:y group_id:i of:n text:s mentions:?*i=null mention_all:?b=null
802 Recall client_id:y group_id:i of:n
803 React client_id:y group_id:i of:n emoji:s on:b=true
804 Pin client_id:y group_id:i of:n on:b=true
805 Forward client_id:y group_id:i from_group:i of:n
806 SetQuiet group_id:i quiet:b
807 Delivered marks:*Range
808 ListReceipts group_id:i of:n after:i="0"
809 ListReactions group_id:i of:n after:n=0
80a ListPins group_id:i
80b ListVersions group_id:i of:n after:n=0
80c Search query:s group_id:i="0" before:i="0" limit:n=20
840 Receipts receipts:*Receipt more:b members:n delivered:n read:n
841 Reactions reactions:*Reaction more:b
842 Pins pins:*PinnedMessage
843 Versions versions:*Version more:b
844 Found last:i more:b
880 Edited group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n of:n text:s edited_seq:n edited_at:n mentions:*i=[] mention_all:b=false
881 Recalled group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n of:n
882 Reacted group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n of:n emoji:s on:b
883 Pinned group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n of:n on:b
8c0 QuietSet group_id:i quiet:b user_version:n
901 EnterCode code:s position:?Position=null
902 ShowLobby
903 LeaveLobby
904 EnterGroup client_id:y
940 InLobby code:s expires_at:n people:*Waiting
9c0 LobbyChanged code:s came:*Waiting went:*i
9c1 LobbyClosed code:s reason:s group_id:i="0"
a01 SetProfile nickname:?s=null avatar:?i=null hidden:?b=null who_adds:?n=null
a02 GetProfiles people:*i
a03 Block user_id:i on:b=true
a04 ListBlocked
a05 WatchPresence people:*i
a06 WhoIsHere group_id:i
a07 Typing group_id:i
a40 MyProfile profile:Profile hidden:b who_adds:n=1
a41 Profiles profiles:*Profile
a42 Presences people:*Presence
a43 Here people:*Person online:n
ac0 PresenceChanged people:*Presence
ac1 TypingNow group_id:i people:*Person
ac2 ProfileChanged profile:Profile hidden:b who_adds:n=1
ac3 BlockChanged person:Person on:b
b01 SendMedia client_id:y group_id:i media_id:i caption:s="" extra:?SendExtra=null
b02 MediaUrl media_id:i
b03 ListMedia group_id:i before:n=0 limit:n=200
b04 SetAvatar client_id:y group_id:i media_id:i
b05 ShowMediaUsage size:n=0 before:i="0"
b06 DeleteMedium media_id:i
b40 MediaUrls url:s thumbnail_url:s expires_at:n
b41 MediaPage last:n more:b
b42 OwnMediaUsage quota:n stored:n announced:n media:*OwnMedium more:b
b80 AvatarSet group_id:i seq:n id:i ordinal:n sender_id:i sender:s sent_at:n media_id:i
c01 ListInvitations
c02 AcceptInvitation client_id:y group_id:i
c03 IgnoreInvitation group_id:i
c04 ListAddedGroups after:i="0"
c05 LeaveGroups groups:*i
c40 Invitations invitations:*Invitation
c41 AddedGroups groups:*AddedGroup more:b
c42 GroupsLeft left:*i kept:*i
cc0 Invited invitation:Invitation
d01 ShowPush
d02 SubscribePush endpoint:s p256dh:y auth:y show_text:b=false
d03 UnsubscribePush
d40 PushShown key:y subscribed:b shows_text:b
e01 ReportMessage group_id:i of:n reason:s
e02 ReportPerson user_id:i reason:s
e03 ListReports before:n=0 closed:b=false
e04 CloseReport number:n note:s=""
e40 Reports reports:*Report more:b
`;
