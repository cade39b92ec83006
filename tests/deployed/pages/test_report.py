"""The report as a reader sees and operates it."""

import pytest

from conftest import HOSTILE, TARGET
from contrast import colours_of, contrast, luminance

DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}
SERIES_MAX = 18


def marks(page, chart):
    return page.locator(f"#{chart} .mark").count()


def choose(page, number):
    page.locator(f"label[for=rule-{number}]").click()


def test_every_value_of_the_summary_is_drawn_and_in_a_table(open_page, backtest):
    _, summary = backtest
    page = open_page(viewport=DESKTOP)
    rules = summary["rules"]
    assert len(rules) == 3
    for number, rule in enumerate(rules):
        expected = {
            f"timeline-{number}": len(summary["timeline"]["transactions"]),
            f"scores-{number}": len(rule["scores"]["judged"]),
            f"messages-{number}": len(rule["people"]["over_time"]["with"]),
        }
        for place, series in enumerate(rule["series"][: SERIES_MAX // len(rules)]):
            expected[f"series-{number}-{place}"] = len(series["points"])
        for chart, count in expected.items():
            assert count > 0 and marks(page, chart) == count, chart
            assert page.locator(f"#{chart} tbody tr").count() == count, chart
    sweeps = [point for rule in rules for point in rule["sweep"]]
    defined = [point for point in sweeps if point["quality"]["precision"] is not None]
    assert marks(page, "alerts-by-sigmas") == len(sweeps) > 10
    assert marks(page, "precision-by-recall") == len(defined) > 10


def test_marks_have_an_extent_and_are_inside_their_chart(open_page):
    page = open_page(viewport=DESKTOP)
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".panel-0 .plot, .grid .plot")].filter((plot) => {
            const frame = plot.getBoundingClientRect();
            if (frame.width === 0) return false;
            return [...plot.querySelectorAll(".mark")].some((mark) => {
                const box = mark.getBoundingClientRect();
                return box.right < frame.left - 12 || box.left > frame.right + 12 || box.bottom < frame.top - 12 || box.top > frame.bottom + 12;
            });
        }).map((plot) => plot.closest("figure").id)"""
    )
    assert outside == []


def test_a_hostile_name_is_shown_verbatim(open_page):
    page = open_page(viewport=DESKTOP)
    names = page.locator(".panel-0 figure h3 bdi").all_text_contents()
    assert HOSTILE in names
    assert page.locator("img, b, iframe, link").count() == 0
    assert page.locator("script").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(open_page, scheme):
    page = open_page(viewport=DESKTOP, color_scheme=scheme)
    colours = colours_of(page, ["body", ".lead", ".tiles dt", ".axis", ".choice label", "summary"])
    for text, behind in colours:
        assert contrast(text, behind) >= 4.5, (text, behind)
    assert (luminance(colours[0][1]) < 0.1) == (scheme == "dark")
    page.screenshot(path=TARGET / f"{scheme}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_horizontal_scrolling(open_page, backtest, scheme):
    _, summary = backtest
    page = open_page(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    for number in range(len(summary["rules"])):
        choose(page, number)
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = false; })")
    choose(page, 0)
    page.screenshot(path=TARGET / f"phone-{scheme}.png", full_page=True)


def test_ticks_do_not_overlap_on_a_phone(open_page):
    page = open_page(viewport=PHONE)
    overlapping = page.evaluate(
        """() => [...document.querySelectorAll(".ticks-x")].filter((axis) => {
            const boxes = [...axis.children].map((tick) => tick.getBoundingClientRect()).filter((box) => box.width > 0);
            return boxes.some((box, index) => index > 0 && box.left < boxes[index - 1].right);
        }).map((axis) => axis.closest("figure").id)"""
    )
    assert overlapping == []


def test_the_tab_key_reaches_everything_and_the_arrow_keys_step_through_a_chart(open_page):
    page = open_page(viewport=DESKTOP)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.getAttribute('type') ?? '') + document.activeElement.tagName.toLowerCase()"))
    assert {"radioinput", "svg", "summary", "div"} <= reached
    page.locator("#timeline-0 .plot").focus()
    for key in ["ArrowRight", "ArrowRight", "End", "Home", "ArrowRight"]:
        page.keyboard.press(key)
    cells = page.locator("#timeline-0 tbody tr").nth(1).locator("td").all_text_contents()
    tip = page.locator("#tip")
    assert tip.is_visible() and all(cell in tip.inner_text() for cell in cells)
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_the_arrow_keys_choose_a_rule(open_page):
    page = open_page(viewport=DESKTOP)
    visible = lambda: [page.locator(f".panel-{number}").is_visible() for number in range(3)]
    assert visible() == [True, False, False]
    page.locator("#rule-0").focus()
    page.keyboard.press("ArrowDown")
    assert visible() == [False, True, False]


def test_values_show_on_hover(open_page):
    page = open_page(viewport=DESKTOP)
    for chart in ["timeline-0", "scores-0", "messages-0", "series-0-0", "alerts-by-sigmas", "precision-by-recall"]:
        mark = page.locator(f"#{chart} .mark").nth(2)
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        lit = page.evaluate(f"[...document.querySelectorAll('#{chart} .mark')].findIndex((mark) => mark.classList.contains('on'))")
        cells = page.locator(f"#{chart} tbody tr").nth(lit).locator("td").all_text_contents()
        assert lit >= 0 and page.locator("#tip").is_visible(), chart
        assert all(cell in page.locator("#tip").inner_text() for cell in cells), chart


def test_the_charts_and_tables_are_there_without_scripts(open_page):
    page = open_page(viewport=DESKTOP, java_script_enabled=False)
    assert page.locator(".panel-0 .plot").first.is_visible()
    page.locator("#timeline-0 summary").click()
    assert page.locator("#timeline-0 tbody tr").first.is_visible()


def test_the_rules_are_compared_without_scrolling(open_page):
    page = open_page(viewport=DESKTOP)
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.scrollWidth <= box.clientWidth || box.closest('details'))")


def test_a_picture_for_the_readme(open_page):
    page = open_page(viewport={"width": 1200, "height": 2640}, device_scale_factor=0.75)
    page.screenshot(path=TARGET / "report.png")
    assert (TARGET / "report.png").stat().st_size < 350_000
