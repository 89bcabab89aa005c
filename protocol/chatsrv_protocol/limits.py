"""The bounds of the wire, each with its reason, and the relations between them, asserted when the module loads."""

from typing import Final

from chatsrv_domain import groups

VERSION: Final = 1
"""The only version of the protocol so far; `Hello` names the versions a client speaks, `Welcome` the one chosen."""

SUBPROTOCOL: Final = "chatsrv.v1"
"""The WebSocket subprotocol whose binary messages carry whole frames (RFC 6455, section 1.9)."""

LENGTH_BYTES: Final = 4
"""A frame starts with its body's length as a big-endian unsigned 32-bit number."""

MAX_FRAME_BEFORE_LOGIN: Final = 4 * 1024
"""Nobody needs more to say who they are, and strangers must not make the server hold more."""

MAX_FRAME: Final = 64 * 1024
"""The largest frame body, both ways: 16 KiB of text four times over (JSON-like growth, quotes, lists of people)."""

MAX_TEXT_BYTES: Final = 16 * 1024
"""The UTF-8 length of one message's text."""

MAX_NAME: Final = 32
"""Characters of an account's name: it stands in every message, so it is short."""

MAX_TITLE: Final = 64
"""Characters of a group's name, a nickname or a device's name."""

MAX_PASSWORD: Final = 256
"""Characters of a password: argon2 hashes its bytes, so the length is bounded before it is paid for."""

MAX_GROUP_MEMBERS: Final = groups.MAX_GROUP_MEMBERS
"""WeChat's bound, and the article's; the operator may raise it for a load test."""

MAX_NOTICE_BYTES: Final = 2 * 1024
"""The UTF-8 length of a group's notice."""

MAX_SLOW_MODE: Final = 24 * 3600
"""Seconds: who may speak once a day may speak."""

MAX_INVITES: Final = 100
"""Invites of one group that are good at the same time, so that one answer lists them all."""

MAX_JOIN_REQUESTS: Final = 1000
"""People who wait to be let into one group; admins have to answer some before others can ask."""

MAX_LIST: Final = 500
"""Elements of any list in a frame; a longer answer is paged."""

MAX_NESTING: Final = 4
"""A frame is an array of fields, a field may be a list of structures, a structure may hold a list: no more."""

MAX_ARRAY: Final = MAX_LIST + 64
"""Elements of any array while it is decoded: a list, or the fields of a message with those a newer version added."""

MAX_NUMBER: Final = 2**16 - 1
"""The highest number of a message type: one byte for the subject, one for the place in it."""

MAX_REQUEST_ID: Final = 2**32 - 1
"""Request ids are a client's to choose; a client that counts up starts again at 1 after this one."""

MAX_ID: Final = 2**63 - 1
"""Ids of users, groups, messages and sessions are positive signed 64-bit integers."""

MAX_EXACT: Final = 2**53 - 1
"""The bound of sequence numbers, counts and times: what is no id stays exact as a double, in JavaScript for one."""

MAX_CENTS: Final = MAX_EXACT
"""Amounts stay exact in a language whose only number is the double."""

MAX_BATCH_BYTES: Final = 256 * 1024
"""The events of one group batch, joined: what one write hands to each member."""

MAX_BATCH_COMMANDS: Final = 500
"""Commands of one group in one transaction; more would only lengthen the wait of the first."""

MAX_WEBSOCKET_MESSAGE: Final = 256 * 1024
"""A WebSocket message holds whole frames; a batch's blob travels as one message, so it is as large as a batch."""

MAX_OUTBOX_BYTES: Final = 1024 * 1024
"""What waits for one slow reader: four full batches, then it is lagging."""

MAX_PAGE: Final = 200
"""Events of one history or sync answer. A page of the largest frames would be 12 MiB: see MAX_PAGE_BYTES."""

MAX_PAGE_BYTES: Final = 256 * 1024
"""A page ends early when its events exceed this, so that an answer always fits into an outbox."""

MAX_EXCERPT: Final = 200
"""Characters of a message's beginning, where another one quotes it or a list names it."""

MAX_PREVIEW: Final = 60
"""Characters of a group's last message in the list of groups: 200 of them fit into a frame, in Chinese too."""

MAX_MENTIONS: Final = 50
"""People whom one message calls by name; more are called by calling everybody, which is a right."""

MAX_PINS: Final = 50
"""Pinned messages of a group: their list fits into a frame."""

MAX_FILE_NAME: Final = 200
"""Characters of a medium's name, which is shown and never used as one. File systems stop at 255 bytes."""

MAX_TINY_BYTES: Final = 1536
"""The tiny picture that a message carries of its medium: 40 pixels a side, mostly some 600 bytes."""

MAX_REACTIONS: Final = 8
"""Different reactions of one member to one message."""

MAX_REQUESTS: Final = 128
"""Requests of one connection that may be unanswered; a client that sends more is simply not read from."""

MAX_REQUEST_BYTES: Final = 256 * 1024
"""Bytes of the frame bodies of these requests together: 128 of the longest texts would take 8 MiB of the server's memory."""

CLIENT_ID_DAYS: Final = 7
"""How long the result of a mutation is kept for a retry; a client id whose UUIDv7 time is older is refused."""

# One frame of each kind fits everywhere it has to go through.
assert MAX_FRAME_BEFORE_LOGIN <= MAX_FRAME
assert MAX_TEXT_BYTES * 3 <= MAX_FRAME, "a message that quotes another fits into a frame with room for the rest"
assert MAX_FRAME + LENGTH_BYTES <= MAX_BATCH_BYTES, "a batch holds at least one frame of any size"
assert MAX_FRAME <= MAX_REQUEST_BYTES, "a request of any size is read when no other is unanswered"
assert MAX_BATCH_BYTES <= MAX_WEBSOCKET_MESSAGE, "a batch leaves as one WebSocket message"
assert MAX_OUTBOX_BYTES >= 4 * MAX_BATCH_BYTES, "a reader who is one batch late is not yet lagging"
assert MAX_PAGE_BYTES + MAX_FRAME < MAX_OUTBOX_BYTES, "an answer never makes its own reader lag"
assert MAX_LIST >= MAX_GROUP_MEMBERS, "the members of a group fit into one list"
