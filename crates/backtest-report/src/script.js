"use strict";
// Shows the values of the mark at the pointer, or of the one reached with the arrow keys. They are in the table under the chart, one
// row for each mark; this script only finds and places them.
(() => {
  const tip = document.getElementById("tip");
  let shown = null;

  function hide() {
    if (shown) shown.classList.remove("on");
    shown = null;
    tip.classList.remove("shown");
  }

  function show(figure, mark, index) {
    if (shown !== mark) {
      hide();
      shown = mark;
      mark.classList.add("on");
      const names = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
      const cells = figure.querySelectorAll("tbody tr")[index].cells;
      tip.textContent = names.map((name, place) => `${name}: ${cells[place].textContent}`).join("\n");
    }
    const box = mark.getBoundingClientRect();
    const x = box.left + box.width / 2;
    const left = Math.max(6, Math.min(x + 12, innerWidth - tip.offsetWidth - 6));
    const above = figure.dataset.pointing === "dot" ? box.top - tip.offsetHeight - 12 : box.top;
    tip.style.transform = `translate(${left}px, ${Math.max(6, above)}px)`;
    tip.classList.add("shown");
  }

  for (const figure of document.querySelectorAll(".chart")) {
    const plot = figure.querySelector(".plot");
    const marks = [...plot.querySelectorAll(".mark")];
    if (marks.length === 0) continue;
    const weight = figure.dataset.pointing === "dot" ? 1 : 0;
    let current = -1;

    function nearest(event) {
      let best = -1;
      let bestDistance = Infinity;
      marks.forEach((mark, index) => {
        const box = mark.getBoundingClientRect();
        const x = box.left + box.width / 2 - event.clientX;
        const y = box.top + box.height / 2 - event.clientY;
        const distance = x * x + weight * y * y;
        if (distance < bestDistance) [best, bestDistance] = [index, distance];
      });
      return best;
    }

    function select(index) {
      current = Math.max(0, Math.min(marks.length - 1, index));
      show(figure, marks[current], current);
    }

    const steps = { ArrowLeft: () => current - 1, ArrowRight: () => current + 1, Home: () => 0, End: () => marks.length - 1 };
    plot.addEventListener("pointermove", (event) => select(nearest(event)));
    plot.addEventListener("pointerdown", (event) => select(nearest(event)));
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      if (!(event.key in steps)) return;
      event.preventDefault();
      select(steps[event.key]());
    });
  }
  addEventListener("scroll", hide, { passive: true });
})();
