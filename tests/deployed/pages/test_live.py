"""The live page as a visitor sees and operates it."""

import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from conftest import TARGET
from contrast import colours_of, contrast, luminance

DESKTOP = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
# A second of the page's server is 20 minutes of its users, on two busy cores perhaps less.
PATIENCE_MS = 120_000


def number(page, name):
    return int(page.locator(f"#{name}").inner_text().replace(",", ""))


def wait_for(page, condition, argument=None):
    page.wait_for_function(condition, arg=argument, timeout=PATIENCE_MS)


def wait_for_more(page, name, more):
    """Waits until a counter has grown by so much."""
    condition = "([name, least]) => Number(document.getElementById(name).textContent.replace(/,/g, '')) >= least"
    wait_for(page, condition, [name, number(page, name) + more])


def is_pressed(page, name, expected):
    expect(page.locator(f"#{name}")).to_have_attribute("aria-pressed", expected, timeout=PATIENCE_MS)


def promises(page):
    return [number(page, name) for name in ("lost", "doubled", "invented")]


def test_charts_move_and_alerts_come_in_words(open_live):
    page = open_live(viewport=DESKTOP)
    expect(page.locator(".chart")).to_have_count(6, timeout=PATIENCE_MS)
    before = [dots.get_attribute("d") for dots in page.locator(".chart .dots").all()]
    assert all(before), "every user has a history"
    wait_for_more(page, "expected", 20)
    after = [dots.get_attribute("d") for dots in page.locator(".chart .dots").all()]
    assert all(one != other for one, other in zip(before, after, strict=True))
    words = page.locator("#alerts li.alert p").first.inner_text()
    assert re.search(r"is [\d.,]+ times what user\d+ usually spends", words), words
    messages = int(page.locator("#messages").inner_text().split()[0])
    assert messages < number(page, "without")
    assert promises(page) == [0, 0, 0]
    page.screenshot(path=TARGET / "live.png")


def test_crashes_and_a_slow_sns_and_bad_records_lose_nothing(open_live):
    page = open_live(viewport=DESKTOP)
    page.locator("#slow").click()
    is_pressed(page, "slow", "true")
    quarantined = number(page, "quarantined")
    for _ in range(3):
        page.locator("#poison").click()
        page.locator("#crash").click()
        wait_for_more(page, "deaths", 1)
    page.locator("#slow").click()
    is_pressed(page, "slow", "false")
    wait_for_more(page, "expected", 20)
    assert number(page, "quarantined") - quarantined == 9, "of five records three are bad"
    assert promises(page) == [0, 0, 0]


def test_shadow_mode_tells_nobody(open_live):
    page = open_live(viewport=DESKTOP)
    page.locator("#shadow").click()
    is_pressed(page, "shadow", "true")
    wait_for(page, "() => document.querySelectorAll('#alerts .tag.shadow').length >= 5")
    page.locator("#shadow").click()
    is_pressed(page, "shadow", "false")
    wait_for(page, "() => !document.querySelector('#alerts .tag').matches('.shadow')")


def test_without_a_summary_everybody_is_told_at_once(open_live):
    page = open_live(viewport=DESKTOP)
    page.locator("#digest").click()
    is_pressed(page, "digest", "false")
    expect(page.locator("#pages")).to_be_disabled()
    wait_for(page, "() => [...document.querySelectorAll('#alerts .tag')].slice(0, 8).every((tag) => tag.matches('.page'))")
    page.locator("#digest").click()
    is_pressed(page, "digest", "true")
    wait_for(page, "() => document.querySelector('#alerts .tag.digest')")


def test_a_user_is_silenced_and_heard_again(open_live):
    page = open_live(viewport=DESKTOP)
    wait_for(page, "() => document.querySelector('#alerts li')")
    # This very row: the list moves on.
    row = page.locator("#alerts li").first.element_handle()
    user = row.query_selector("b").inner_text()
    row.query_selector("button").press("Enter")
    hear = page.locator("#silenced button", has_text=f"hear {user}")
    expect(hear).to_be_visible(timeout=PATIENCE_MS)
    hear.click()
    expect(hear).to_have_count(0, timeout=PATIENCE_MS)


def test_another_rule_judges(open_live):
    page = open_live(viewport=DESKTOP)
    page.locator("input[value=profile]").check()
    wait_for_more(page, "expected", 3)
    expect(page.locator("input[value=profile]")).to_be_checked()
    page.locator("input[value=adaptive]").check()
    wait_for_more(page, "expected", 3)
    assert promises(page) == [0, 0, 0]


def test_a_wrong_number_is_refused_in_words(open_live, live):
    page = open_live(viewport=DESKTOP)
    response = page.request.post(f"{live}/commands", data={"pagesPerDay": 101})
    assert (response.status, response.text()) == (422, "it must be at most 100 a day")
    for wrong, words in [("-1", "greater than or equal to 0"), ("101", "less than or equal to 100"), ("", "fill out")]:
        page.locator("#pages").fill(wrong)
        page.locator("#pages").press("Enter")
        expect(page.locator("#said")).to_contain_text(words, timeout=PATIENCE_MS)
    page.locator("#pages").fill("7")
    page.locator("#pages").press("Enter")
    expect(page.locator("#said")).to_have_text("At most 7 a day at once; the rest waits.", timeout=PATIENCE_MS)


def test_the_keyboard_reaches_everything(open_live):
    page = open_live(viewport=DESKTOP)
    wait_for(page, "() => document.querySelector('.chart')")
    wanted = {"alerts", "inbox", "shadow", "digest", "pages", "crash", "slow", "poison", "adaptive"}
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.value || ''"))
        if wanted <= reached:
            break
    assert wanted <= reached, wanted - reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_has_contrast(open_live, scheme):
    page = open_live(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    wait_for(page, "() => document.querySelector('#alerts li') && document.querySelector('#inbox')")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
    colours = colours_of(page, ["body", ".lead", ".note", "#alerts .tag", "footer dt", "footer .promise dd", "button.red", "#shadow"])
    for text, behind in colours:
        assert contrast(text, behind) >= 4.5, (text, behind)
    assert (luminance(colours[0][1]) < 0.1) == (scheme == "dark")
    page.screenshot(path=TARGET / f"live-phone-{scheme}.png", full_page=True)


def test_whoever_wants_less_motion_gets_pictures_that_stand_still(open_live):
    page = open_live(viewport=DESKTOP, reduced_motion="reduce")
    wait_for(page, "() => document.querySelector('.chart')")
    ticks_and_drawings = page.evaluate(
        """() => new Promise((resolve) => {
            let [ticks, drawings] = [0, 0];
            const observe = (element, callback, options) => new MutationObserver(callback).observe(element, options);
            observe(document.querySelector(".chart .dots"), () => { drawings += 1; }, { attributes: true });
            observe(document.getElementById("clock"), () => { ticks += 1; if (ticks === 8) resolve([ticks, drawings]); }, { childList: true });
        })"""
    )
    ticks, drawings = ticks_and_drawings
    assert drawings < ticks / 2
    assert page.evaluate("getComputedStyle(document.querySelector('#alerts li') ?? document.body).animationName") == "none"


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/", {"Host": "rebound.example"}, None, 403),
        ("/updates", {"Host": "rebound.example:7777"}, None, 403),
        ("/commands", {"Content-Type": "application/json", "Origin": "http://elsewhere.example"}, '"crash"', 403),
        ("/commands", {"Content-Type": "text/plain"}, '"crash"', 415),
        ("/commands", {"Content-Type": "application/json"}, '"explode"', 422),
        ("/commands", {"Content-Type": "application/json"}, json.dumps({"silence": "x" * 3_000_000}), 413),
    ],
)
def test_other_sites_and_other_words_are_refused(live, path, headers, body, status):
    request = urllib.request.Request(live + path, headers=headers, data=body and body.encode())
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == status
