"""The group from inside for each role: what is offered is what the table of rights allows, and it works."""

from typing import Literal

import attrs
import pytest
from playwright.sync_api import Locator, expect
from support.page_kit import Person, Town, begins, faults, nothing, wait_for

from chatsrv.client import Client
from chatsrv_domain.groups import ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER
from chatsrv_storage.groups.permissions import Operation

ROLES = {"member": ROLE_MEMBER, "admin": ROLE_ADMIN, "owner": ROLE_OWNER}
RULES = {"invite": ROLE_MEMBER, "pin": ROLE_ADMIN, "mention_all": ROLE_ADMIN}

CONTROLS: dict[Operation, tuple[Literal["form", "button", "list"], str]] = {
    Operation.NICKNAME: ("form", "My name in this group"),
    Operation.ADD: ("form", "Add people"),
    Operation.INVITE: ("button", "Make an invite link"),
    Operation.MANAGE_INVITES: ("button", "End invite {code}"),
    Operation.ADMIT: ("list", "Requests to join"),
    Operation.RENAME: ("form", "Name of the group"),
    Operation.NOTICE: ("form", "Notice"),
    Operation.RULES: ("form", "Rules"),
    Operation.LIFT_BAN: ("button", "Lift the ban of {name}banned"),
    Operation.REMOVE: ("button", "Remove {name}target"),
    Operation.MUTE: ("button", "Mute {name}target for an hour"),
    Operation.BAN: ("button", "Ban {name}target"),
    Operation.APPOINT: ("button", "Make {name}target an admin"),
    Operation.HAND_OVER: ("button", "Hand the group to {name}target"),
    Operation.LEAVE: ("button", "Leave the group"),
    Operation.DISSOLVE: ("button", "Dissolve the group"),
}
"""What the dialog has for each right; the roles of those who have it come from the server's table."""

ELSEWHERE = {
    Operation.READ: "the chat",
    Operation.MARK: "the chat, its bell",
    Operation.SPEAK: "the composer",
    Operation.REACT: "a message's menu",
    Operation.EDIT_OWN: "a message's menu",
    Operation.RECALL_OWN: "a message's menu",
    Operation.RECALL_OTHERS: "a message's menu",
    Operation.READ_EDITS: "an edited message's menu",
    Operation.PIN: "a message's menu",
    Operation.MENTION_ALL: "the list of names in the composer",
    Operation.SEND_PACKET: "the composer",
    Operation.OPEN_PACKET: "the chat",
}


def least_role(operation: Operation) -> int:
    """The least role that may, by the rules of these groups."""
    least = operation.value.least
    return least if isinstance(least, int) else RULES[least]


def test_every_right_has_an_answer_in_the_page():
    assert set(CONTROLS) | set(ELSEWHERE) == set(Operation)
    assert not set(CONTROLS) & set(ELSEWHERE)


@attrs.frozen
class Governed:
    """A group with somebody in each role, one who is banned, one who waits, and an invite of the owner's."""

    town: Town
    name: str
    invite: str
    """The code of the invite."""

    def log_in(self, role: str) -> Person:
        """Somebody of a role, with the dialog open and everything in it unfolded."""
        person = self.town.person(f"{self.name}{role}", register=False)
        person.open(self.name)
        return person

    def dialog(self, person: Person) -> Locator:
        """The dialog, with everything unfolded."""
        person.page.get_by_role("main").get_by_role("button", name="Group", exact=True).click()
        dialog = person.page.get_by_role("dialog", name="Group", exact=True)
        dialog.get_by_role("list", name="Members", exact=True).get_by_role("listitem").nth(3).wait_for()
        for closed in dialog.locator("summary").all():
            closed.click()
        return dialog

    def control(self, dialog: Locator, operation: Operation) -> Locator:
        """What the dialog has for a right: of several, those for the member who is called the target."""
        kind, name = CONTROLS[operation]
        return dialog.get_by_role(kind, name=name.format(name=self.name, code=self.invite), exact=True)


def govern(town: Town, name: str) -> Governed:
    """Make such a group."""
    others = [f"{name}{other}" for other in ("admin", "member", "target", "banned")]
    for other in (*others, f"{name}waiting"):
        town.program(other, nothing)

    async def make(client: Client) -> str:
        people = {person.name: person.user_id for person in await client.people.find(others)}
        group = client.group((await client.groups.create(name, list(people.values()))).group_id)
        await group.set_role(people[f"{name}admin"], ROLE_ADMIN)
        await group.ban(people[f"{name}banned"])
        await group.set_rules(**RULES, approval=True)
        return (await group.create_invite()).code

    code = town.program(f"{name}owner", make)
    town.program(f"{name}waiting", lambda client: client.groups.join(code))
    return Governed(town, name, code)


async def invite(client: Client) -> str:
    """Make an invite to the one group there is; answers its code."""
    [view] = await client.groups.list()
    return (await client.group(view.group_id).create_invite()).code


@pytest.mark.parametrize("role", ROLES)
def test_exactly_what_the_table_of_rights_allows_is_there(town: Town, role: str):
    group = govern(town, f"t{role}")
    person = group.log_in(role)
    dialog = group.dialog(person)
    allowed = {operation for operation in CONTROLS if ROLES[role] >= least_role(operation)}
    if role == "owner":
        allowed.remove(Operation.LEAVE)  # as long as there are others
    controls = {operation: group.control(dialog, operation) for operation in CONTROLS}
    for operation in allowed:
        expect(controls[operation].first).to_be_visible()
    found = {operation for operation, control in controls.items() if control.count()}
    assert found == allowed
    for above in ("owner", "admin"):
        expect(dialog.get_by_label(f"Actions for {group.name}{above}", exact=True)).to_have_count(
            int(ROLES[role] > ROLES[above])
        )
    assert faults(person.page) == []


def test_an_admin_governs_from_the_page(town: Town):
    group = govern(town, "works")
    admin = group.log_in("admin")
    target = town.person("workstarget", register=False)
    target.open("works")
    dialog = group.dialog(admin)

    def save(form: str, field: str, text: str) -> None:
        dialog.get_by_role("form", name=form, exact=True).get_by_label(field, exact=True).fill(text)
        dialog.get_by_role("form", name=form, exact=True).get_by_role("button").click()
        expect(dialog.get_by_role("form", name=form, exact=True).get_by_role("status")).to_have_text("Saved.")

    save("Notice", "Notice", "be kind")
    target.sees("worksadmin put up a notice: be kind")
    rules = dialog.get_by_role("form", name="Rules", exact=True)
    rules.get_by_label(begins("Who may mention everybody")).select_option(label="Everybody")
    save("Rules", "Seconds between two messages of one person", "30")
    target.box.press_sequentially("@a")
    expect(target.page.get_by_role("option", name="all", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Let workswaiting in", exact=True).click()
    target.sees("worksadmin added workswaiting")
    dialog.get_by_role("button", name="Lift the ban of worksbanned", exact=True).click()
    target.sees("worksadmin lifted the ban of worksbanned")
    dialog.get_by_role("button", name=begins("End invite ")).click()
    expect(dialog.get_by_role("button", name=begins("End invite "))).to_have_count(0)
    dialog.get_by_role("button", name="Mute workstarget for an hour", exact=True).click()
    target.sees("worksadmin muted workstarget")
    admin.page.on("dialog", lambda asked: asked.accept())
    dialog.get_by_role("button", name="Ban workstarget", exact=True).click()
    expect(target.chat("works")).to_have_count(0)
    save("Name of the group", "Name of the group", "renamed")
    expect(admin.chat("renamed")).to_be_visible()
    save("My name in this group", "My name in this group", "The Admin")
    save("Add people", "People, by name", "worksbanned")
    admin.sees("worksadmin added worksbanned")


def test_a_picture_is_set_and_the_owner_hands_over(town: Town, tmp_path_factory: pytest.TempPathFactory):
    from support.media_files import picture

    group = govern(town, "owned")
    path = tmp_path_factory.mktemp("avatar") / "garden.png"
    path.write_bytes(picture())
    owner = group.log_in("owner")
    dialog = group.dialog(owner)
    form = dialog.get_by_role("form", name="Picture of the group", exact=True)
    form.get_by_label("Picture of the group", exact=True).set_input_files(path)
    form.get_by_role("button", name="Save", exact=True).click()
    expect(form.get_by_role("status")).to_have_text("Saved.")
    wait_for(owner.page, "[...document.querySelectorAll('.chats img')].some(image => image.naturalWidth > 0)")
    owner.page.on("dialog", lambda asked: asked.accept())
    dialog.get_by_role("button", name="Hand the group to ownedtarget", exact=True).click()
    owner.sees("ownedowner made ownedtarget the owner")
    expect(dialog.get_by_role("button", name="Dissolve the group", exact=True)).to_have_count(0)


def test_a_link_to_a_group_with_approval_waits_says_so_and_lets_in_or_not(town: Town):
    group = govern(town, "gate")

    code = town.program("gateowner", invite)
    owner = group.log_in("owner")
    guests: dict[str, Person] = {}
    for name in ("gateyes", "gateno"):
        guests[name] = town.person(name, by_form=True, fragment=f"#invite={code}")
        expect(guests[name].page.get_by_role("status").filter(has_text="An admin has to let you in")).to_be_visible()
        assert code not in guests[name].page.url
        expect(guests[name].chat("gate")).to_have_count(0)
    dialog = group.dialog(owner)
    dialog.get_by_role("button", name="Let gateyes in", exact=True).click()
    guests["gateyes"].open("gate")
    dialog.get_by_role("button", name="Decline gateno", exact=True).click()
    expect(guests["gateno"].page.get_by_role("status").filter(has_text="did not let you in")).to_be_visible()
    expect(guests["gateno"].chat("gate")).to_have_count(0)


def test_a_link_that_is_no_good_says_so(town: Town):
    guest = town.person("lost", by_form=True, fragment="#invite=NoSuchInviteCode")
    expect(guest.page.get_by_role("status").filter(has_text="invite")).to_be_visible()


def test_an_admin_with_the_dialog_open_sees_who_asks_to_be_let_in(town: Town):
    group = govern(town, "live")
    admin = group.log_in("admin")
    dialog = group.dialog(admin)

    code = town.program("liveowner", invite)
    town.program("latecomer", lambda client: client.groups.join(code))
    expect(dialog.get_by_role("button", name="Let latecomer in", exact=True)).to_be_visible()
