"use strict";

// One user's last days: each amount against what was usual before it, on a logarithmic scale.

const SVG = "http://www.w3.org/2000/svg";
const SPAN_MS = 3 * 86_400_000;
const WIDTH = 1000;
const HEIGHT = 100;
const AMOUNT_MIN = 0.1;
// Where the present is: its dots have room.
const NOW = 0.97;

function element(name, className, parent) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", className);
  parent.append(made);
  return made;
}

class Chart {
  constructor(parent) {
    this.points = [];
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    const caption = document.createElement("figcaption");
    this.name = document.createElement("bdi");
    this.scale = document.createElement("span");
    this.scale.className = "scale";
    caption.append(this.name, this.scale);
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    const path = (className) => element("path", className, this.svg);
    [this.band, this.usual, this.dots, this.anomalies] = ["band", "usual", "dots", "anomalies"].map(path);
    this.figure.append(caption, this.svg);
    parent.append(this.figure);
  }

  add(series) {
    this.name.textContent = series.userId;
    this.points = series.isWhole ? series.points : this.points.concat(series.points);
  }

  draw(now) {
    this.points = this.points.filter((point) => point.at > now - SPAN_MS);
    const [low, high] = this.range();
    const x = (at) => ((1 - (now - at) / SPAN_MS) * WIDTH * NOW).toFixed(1);
    const y = (amount) => (HEIGHT * (0.94 - (0.88 * Math.log(Math.max(amount, AMOUNT_MIN) / low)) / Math.log(high / low))).toFixed(1);
    const judged = this.points.filter((point) => point.threshold !== null);
    const line = (of) => judged.map((point) => `${x(point.at)} ${y(of(point))}`).join("L");
    const dots = (points) => points.map((point) => `M${x(point.at)} ${y(point.amount)}h0`).join("");
    const ends = judged.length ? [x(judged[0].at), x(judged[judged.length - 1].at)] : null;
    this.band.setAttribute("d", ends ? `M${ends[0]} ${HEIGHT}L${line((point) => point.threshold)}L${ends[1]} ${HEIGHT}Z` : "");
    this.usual.setAttribute("d", ends ? `M${line((point) => point.usual)}` : "");
    this.dots.setAttribute("d", dots(this.points.filter((point) => !point.severity)));
    this.anomalies.setAttribute("d", dots(this.points.filter((point) => point.severity)));
    this.describe(low, high);
  }

  range() {
    const amounts = this.points.flatMap((point) => [point.amount, point.usual ?? point.amount, point.threshold ?? point.amount]);
    const low = Math.max(AMOUNT_MIN, Math.min(...amounts, Infinity));
    const high = Math.max(...amounts, 0);
    return Number.isFinite(low) && high > low ? [low, high] : [1, 100];
  }

  describe(low, high) {
    const anomalies = this.points.filter((point) => point.severity).length;
    this.scale.textContent = `${money(low)} to ${money(high)}`;
    const label = `${this.name.textContent}: payments ${this.points.length}, anomalies ${anomalies}, ${this.scale.textContent}`;
    this.svg.setAttribute("aria-label", label);
  }
}

function money(amount) {
  return amount.toLocaleString("en", { maximumFractionDigits: amount < 10 ? 2 : 0 });
}
