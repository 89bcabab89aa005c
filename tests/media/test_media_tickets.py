"""Tickets of several nodes: each takes those that the others signed, and none of anybody else."""

from chatsrv.media.signed_urls import MAX_KEYS_OF_NODES, Bearer, Tickets

BEARER = Bearer(1, 2)


def test_a_node_takes_the_tickets_of_those_whose_key_it_was_told() -> None:
    here, there = Tickets(b"h" * 32), Tickets(b"t" * 32)
    ticket = there.make(BEARER, 7, "file", 1_000)
    assert here.check(ticket, 7, "file", 999) is None
    here.accept(there.key)
    assert here.check(ticket, 7, "file", 999) == BEARER
    assert here.check(ticket, 8, "file", 999) is None
    assert here.check(ticket, 7, "file", 1_000) is None


def test_keys_of_others_are_bounded_and_push_out_no_own_one() -> None:
    here = Tickets(b"h" * 32)
    for number in range(2 * MAX_KEYS_OF_NODES):
        here.accept(number.to_bytes(32))
    assert here.check(here.make(BEARER, 7, "file", 1_000), 7, "file", 0) == BEARER
    assert here.check(Tickets((0).to_bytes(32)).make(BEARER, 7, "file", 1_000), 7, "file", 0) is None
