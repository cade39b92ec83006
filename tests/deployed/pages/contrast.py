"""Contrast of colours, as WCAG 2 defines it."""

import re


def colours_of(page, selectors):
    """The colours of the text and of what is behind it, for the first element of each selector."""
    return page.evaluate(
        """(selectors) => selectors.map((selector) => {
            const element = document.querySelector(selector);
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        })""",
        selectors,
    )


def luminance(colour):
    """Relative luminance, WCAG 2."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
