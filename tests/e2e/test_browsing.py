"""Both browsers, through the product's own PAC and trust: what is seen, counted and said."""

from e2e.agents import RunningAgent, wait_for
from e2e.conftest import Browser, Open
from e2e.world import World

SEARCH = "https://www.google.nl/search?q="


def wait_title(browser: Browser, title: str) -> None:
    wait_for(lambda: browser.title() == title, lambda: True, f"the page did not become {title!r}", 10)


def test_an_ordinary_result_page_is_an_opportunity_and_no_use(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        browser.goto(SEARCH + "weather")
        assert "AI Mode" in browser.text()
        counts = agent.wait_counts({("google-ai-overview", "seen"): 1})
    assert set(counts) == {("google-ai-overview", "seen")}
    assert agent.said == []


def test_an_inline_answer_counts_once_and_reminds(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        browser.goto(SEARCH + "inline")
        assert "the tide turns twice a day" in browser.text()
        agent.wait_counts({("google-ai-overview", "use"): 1, ("google-ai-overview", "reminded"): 1})
    assert [said["text"] for said in agent.said] == ["R31"]


def test_a_lazy_answer_and_its_page_are_one_use(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        browser.goto(SEARCH + "lazy")
        wait_title(browser, "lazy done")
        agent.wait_counts({("google-ai-overview", "use"): 1, ("google-ai-overview", "seen"): 1})
        browser.goto(SEARCH + "inline")
        agent.wait_counts({("google-ai-overview", "use"): 1, ("google-ai-overview", "seen"): 2})


def test_a_translated_page_is_one_use_however_many_requests(
    agent: RunningAgent, open_browser: Open, world: World
) -> None:
    with open_browser(agent) as browser:
        browser.goto("https://www.example.org/translate")
        wait_title(browser, "translated")
        agent.wait_counts({("chrome-translate", "use"): 1, ("chrome-translate", "reminded"): 1})
    assert world.hits.count(("translate-pa.googleapis.com", "/v1/translateHtml")) >= 10


def test_a_chat_service_is_known_by_name_and_never_decrypted(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        browser.goto("https://chatgpt.com/")
        counts = agent.wait_counts({("chatgpt", "visit"): 1})
        assert ("chatgpt", "use") not in counts
        assert agent.status()["connections"].get("handed", 0) == 0


def test_what_is_not_catalogued_never_reaches_the_agent(agent: RunningAgent, open_browser: Open, world: World) -> None:
    with open_browser(agent) as browser:
        browser.goto("https://www.example.org/")
        assert ("www.example.org", "/") in world.hits
        assert {way for way in agent.status()["connections"] if way != "head"} == set()
    assert agent.counts() == {}


def test_an_event_stream_arrives_event_by_event_through_a_decrypted_host(
    agent: RunningAgent, open_browser: Open
) -> None:
    with open_browser(agent) as browser:
        browser.goto("https://duckduckgo.com/")
        arrivals = browser.evaluate(
            """(async () => {
              const answer = await fetch('/duckchat/v1/chat?delay=0.3&n=4',
                {method: 'POST', body: JSON.stringify({model: 'x', messages: []})});
              const reader = answer.body.getReader(), seen = [];
              for (;;) {
                const {done, value} = await reader.read();
                if (done) return seen;
                for (const found of new TextDecoder().decode(value).matchAll(/"sent": ?([0-9.]+)/g))
                  seen.push([parseFloat(found[1]), Date.now() / 1000]);
              }
            })()"""
        )
        agent.wait_counts({("duck-ai", "use"): 1})
    assert len(arrivals) == 4
    last_sent = arrivals[-1][0]
    assert arrivals[0][1] < last_sent, "the first event came only when the last had been sent"
    assert all(abs(received - sent) < 0.25 for sent, received in arrivals)


ECHO = """(async () => {
  const socket = new WebSocket('wss://' + location.host + '/ws');
  await new Promise((yes, no) => { socket.onopen = yes; socket.onerror = no; });
  const echoed = [];
  for (const text of ['one', 'x'.repeat(70000), 'é']) {
    socket.send(text);
    echoed.push(await new Promise(yes => { socket.onmessage = event => yes(event.data); }));
  }
  socket.close();
  return echoed.map(text => text.length);
})()"""


def test_a_websocket_works_through_a_tunnelled_and_a_decrypted_host(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        for host in ("chatgpt.com", "duckduckgo.com"):
            browser.goto(f"https://{host}/")
            assert browser.evaluate(ECHO) == [3, 70000, 1]
        ways = agent.status()["connections"]
        assert ways.get("spliced") and ways.get("handed")


def test_every_encoding_is_looked_into_and_arrives_unharmed(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        for number, encoding in enumerate(["gzip", "br", "zstd", "deflate"], start=1):
            browser.goto(f"{SEARCH}inline&enc={encoding}")
            assert "the tide turns twice a day" in browser.text()
            agent.wait_counts({("google-ai-overview", "seen"): number, ("google-ai-overview", "use"): 1})
