"""Classes whose methods attrs writes at their first use: what they are by then, and that nothing is written before."""

import copy
import pickle
import subprocess
import sys
import weakref

import attrs
import pytest

from chatsrv_protocol import ErrorCode, ProtocolError
from chatsrv_protocol.deferred import deferred_frozen
from chatsrv_protocol.fields import COUNT, NAME, field
from chatsrv_protocol.messages import Quote


def _head() -> type:
    @deferred_frozen
    class Head:
        """What others begin with."""

        group_id: int = field(COUNT)

        @property
        def twice(self) -> int:
            return 2 * self.group_id

    return Head


def _whole(head: type) -> type:
    @deferred_frozen
    class Whole(head):  # pyright: ignore[reportUntypedBaseClass]
        name: str = field(NAME)
        count: int = field(COUNT, default=7)

    return Whole


def test_what_it_is() -> None:
    head = _head()
    whole = _whole(head)
    names = ("group_id", "name", "count")
    assert vars(whole)["__match_args__"] == names
    one = whole(3, name="a")
    assert (one.group_id, one.name, one.count, one.twice) == (3, "a", 7, 6)
    assert isinstance(one, head)
    assert repr(one).endswith("Whole(group_id=3, name='a', count=7)")
    assert one == whole(3, "a", 7) != whole(3, "a", 8)
    assert hash(one) == hash(whole(3, "a"))
    assert head(3) != one
    assert tuple(each.name for each in attrs.fields(whole)) == names
    assert attrs.asdict(attrs.evolve(one, count=9)) == {"group_id": 3, "name": "a", "count": 9}
    assert weakref.ref(one)() is one
    assert not hasattr(one, "__dict__")
    assert head.__doc__ == "What others begin with."
    assert vars(whole)["__match_args__"] == names
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.count = 8
    with pytest.raises(TypeError, match="name"):
        whole(3)
    with pytest.raises(ProtocolError) as caught:
        whole(3, "a", -1)
    assert caught.value.code is ErrorCode.BAD_FIELD


@pytest.mark.parametrize("ask", [attrs.fields, attrs.has])
def test_fields_before_any_instance(ask: object) -> None:
    whole = _whole(_head())
    assert callable(ask)
    assert ask(whole)
    assert whole(1, "a").count == 7


def test_first_instance_is_refused_as_any_later_one() -> None:
    whole = _whole(_head())
    for _ in range(2):
        with pytest.raises(ProtocolError):
            whole(-1, "a")


def test_copies() -> None:
    quote = Quote(1, 2, "a", "b")
    assert copy.copy(quote) == copy.deepcopy(quote) == pickle.loads(pickle.dumps(quote)) == quote


def test_import_writes_no_class() -> None:
    program = (
        "from chatsrv_protocol import BY_NUMBER, STRUCTS\n"
        "print([one.__name__ for one in (*BY_NUMBER.values(), *STRUCTS.values()) if '__eq__' in vars(one)])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['GroupRules']\n"  # an instance of it is the default of a field
