"""Contrast of colours, as WCAG 2 defines it."""

import re


def colours_of(page, selectors):
    """The colours of the text and of what is behind it, for the first element of each selector."""
    found = page.evaluate(
        """(selectors) => selectors.map((selector) => {
            const element = document.querySelector(selector);
            const layers = [];
            for (let at = element; at; at = at.parentElement) layers.push(getComputedStyle(at).backgroundColor);
            return [getComputedStyle(element).color, layers];
        })""",
        selectors,
    )
    return [(text, painted(layers)) for text, layers in found]


def painted(layers):
    """The colour that one sees of backgrounds, the uppermost first: some let through what is under them."""
    seen = [255.0, 255.0, 255.0]
    for layer in reversed(layers):
        red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", layer))
        opacity = alpha[0] if alpha else 1
        seen = [opacity * over + (1 - opacity) * under for over, under in zip((red, green, blue), seen)]
    return "rgb({:.0f}, {:.0f}, {:.0f})".format(*seen)


def luminance(colour):
    """Relative luminance, WCAG 2."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
