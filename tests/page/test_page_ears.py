"""What a screen reader hears: new messages summed, never those that were fetched; and it stays within bounds."""

from playwright.sync_api import expect
from support.page_kit import Town, wait_for

from chatsrv.client import Client

LISTEN = """() => {
    const line = document.querySelector('[data-live]');
    window.heard = [];
    const spoken = () => window.heard.push({ text: line.textContent, at: performance.now() });
    new MutationObserver(spoken).observe(line, { childList: true, characterData: true, subtree: true });
}"""
GAP_MS = 1000
MAX_NODES = 3_000
MAX_HEAP_BYTES = 20 * 2**20


def flood(count: int):
    async def send(client: Client) -> None:
        [group] = await client.groups.list()
        for number in range(count):
            await client.group(group.group_id).send(f"line {number}")

    return send


def test_twenty_messages_at_once_are_spoken_in_two_sentences_and_history_is_not(town: Town):
    ann, bob = town.person("earann1"), town.person("earbob1")
    town.group(bob, "Ears", ann)
    town.program("earbob1", flood(80))
    ann.page.evaluate(LISTEN)
    ann.open("Ears")
    ann.sees("line 79")
    assert ann.page.evaluate("heard") == [], "what is fetched is not spoken"
    expect(ann.page.get_by_role("log", name="Ears", exact=True)).to_have_attribute("aria-live", "off")
    town.program("earbob1", flood(20))
    wait_for(ann.page, "heard.reduce((sum, { text }) => sum + (parseInt(text) || 1), 0) === 20")
    said = ann.page.evaluate("heard")
    assert len(said) <= (said[-1]["at"] - said[0]["at"]) / GAP_MS + 2
    assert len(said) < 20
    assert all("earbob1" in sentence["text"] for sentence in said)
    ann.say("mine")
    ann.stored("mine")
    town.program("earbob1", flood(1))
    wait_for(ann.page, f"heard.length > {len(said)}")
    assert ann.page.evaluate("heard.at(-1).text") == "earbob1: line 0"


def test_switches_between_chats_leave_no_growth(town: Town):
    ann = town.person("earann2")

    async def make(client: Client) -> None:
        [person] = await client.people.find(["earann2"])
        for name in ("One", "Two"):
            group_id = (await client.groups.create(name, [person.user_id])).group_id
            for number in range(100):
                await client.group(group_id).send(f"{name} {number}")

    town.program("earbob2", make)
    session = ann.page.context.new_cdp_session(ann.page)
    session.send("Performance.enable")

    def measure() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}

    def switch(times: int) -> None:
        for _ in range(times):
            for name in ("One", "Two"):
                ann.open(name)
                ann.sees(f"{name} 99")

    switch(3)
    before = measure()
    switch(25)
    after = measure()
    for name, growth in (("Nodes", 300), ("JSEventListeners", 50), ("JSHeapUsedSize", 1_000_000)):
        assert after[name] - before[name] <= growth, name
    assert after["Nodes"] <= MAX_NODES
    assert after["JSHeapUsedSize"] <= MAX_HEAP_BYTES
