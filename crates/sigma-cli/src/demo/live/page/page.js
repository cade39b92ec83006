"use strict";

const ALERTS_MAX = 60;
const PHONE_TAGS = { page: "people now", digest: "in the summary", silent: "silenced", shadow: "shadow: nobody" };
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_REDRAW_MS = 2_000;

const byId = (id) => document.getElementById(id);
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const time = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 16);

const charts = [];
let drawnAt = 0;

function apply(update) {
  byId("clock").textContent = `${time(update.now)} UTC`;
  update.users.forEach((series, place) => {
    charts[place] ??= new Chart(byId("charts"));
    charts[place].add(series);
  });
  draw(update.now);
  if (update.isWhole) byId("alerts").replaceChildren();
  update.alerts.forEach((alert) => prepend(byId("alerts"), alertItem(alert), update.isWhole));
  showPhone(update.phone);
  showSwitches(update.switches);
  showCounters(update.counters);
}

// Whoever asked for less motion gets a new picture now and then instead of a moving one.
function draw(now) {
  if (CALM.matches && performance.now() - drawnAt < CALM_REDRAW_MS && drawnAt > 0) return;
  drawnAt = performance.now();
  charts.forEach((chart) => chart.draw(now));
}

function prepend(list, item, isOld) {
  if (!isOld) item.classList.add("new");
  list.prepend(item);
  while (list.children.length > ALERTS_MAX) list.lastElementChild.remove();
}

function textElement(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function item(className, head, text) {
  const made = document.createElement("li");
  made.className = className;
  const line = document.createElement("div");
  line.className = "head";
  line.append(...head);
  made.append(line, textElement("p", text));
  return made;
}

function alertItem(alert) {
  const silence = textElement("button", "silence", "small");
  silence.type = "button";
  silence.setAttribute("aria-label", `Silence ${alert.userId} for a week`);
  silence.addEventListener("click", () => command({ silence: alert.userId }, `${alert.userId} is silenced for a week.`));
  const tag = textElement("span", PHONE_TAGS[alert.disposition] ?? alert.disposition, `tag ${alert.disposition}`);
  const head = [textElement("b", alert.userId), textElement("span", alert.priority), tag, textElement("span", time(alert.eventTimeMs).slice(11)), silence];
  return item("alert", head, alert.because);
}

function showPhone(phone) {
  byId("messages").textContent = counted(phone.today.messages, "message");
  byId("without").textContent = phone.today.anomalies.toLocaleString("en");
  const { yesterday } = phone;
  byId("yesterday").hidden = !yesterday;
  if (yesterday) byId("yesterday").textContent = `Yesterday ${counted(yesterday.messages, "message")}; without policy ${yesterday.anomalies}`;
  const newest = phone.messages.at(-1);
  const key = newest ? `${newest.at} ${newest.title} ${phone.messages.length}` : "";
  if (byId("inbox").dataset.newest === key) return;
  byId("inbox").dataset.newest = key;
  const items = phone.messages.map((message) => item("message", [textElement("b", message.title), textElement("span", time(message.at).slice(11))], message.text));
  byId("inbox").replaceChildren(...items.reverse());
}

function showSwitches(switches) {
  byId("shadow").setAttribute("aria-pressed", switches.shadow);
  byId("digest").setAttribute("aria-pressed", switches.digest);
  byId("slow").setAttribute("aria-pressed", switches.slowSns);
  const pages = byId("pages");
  pages.disabled = !switches.digest;
  if (document.activeElement !== pages) pages.value = switches.pagesPerDay;
  document.querySelectorAll("input[name=rule]").forEach((input) => { input.checked = input.value === switches.rule; });
  showSilenced(Object.keys(switches.silenced));
}

function showSilenced(users) {
  const list = byId("silenced");
  if (list.dataset.users === users.join()) return;
  list.dataset.users = users.join();
  const hear = (user) => {
    const button = textElement("button", `hear ${user}`, "small");
    button.type = "button";
    button.addEventListener("click", () => command({ hear: user }, `${user} is heard again.`));
    return [button, " "];
  };
  list.replaceChildren(...(users.length ? ["Silenced: ", ...users.flatMap(hear)] : []));
}

function showCounters(counters) {
  for (const name of ["lost", "doubled", "invented", "transactions", "expected", "waiting", "suppressed", "quarantined", "deaths"]) {
    byId(name).textContent = counters[name].toLocaleString("en");
  }
  for (const name of ["lost", "doubled", "invented"]) byId(name).parentElement.classList.toggle("broken", counters[name] > 0);
  const excused = counters.doubledByDeath;
  byId("excused").textContent = excused ? `${counted(excused, "alert")} came twice: the alerter died between SNS and the ledger, the documented exception.` : "";
}

async function command(what, said) {
  try {
    const response = await fetch("/commands", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what) });
    byId("said").textContent = response.ok ? said : await response.text();
  } catch {
    byId("said").textContent = "Nobody answers: has the demo ended?";
  }
}

function toggle(id, name, on, off) {
  byId(id).addEventListener("click", (event) => {
    const wanted = event.currentTarget.getAttribute("aria-pressed") !== "true";
    command({ [name]: wanted }, wanted ? on : off);
  });
}

toggle("shadow", "shadow", "Nobody is told from now on; decisions are recorded.", "People are told again.");
toggle("digest", "digest", "What can wait waits for the summary at 8:00 UTC.", "Every alert is told at once; what waits already is in the next summary.");
toggle("slow", "slowSns", "SNS refuses every second call and takes eight seconds for each.", "SNS is quick again.");
byId("pages").addEventListener("change", (event) => {
  if (!event.target.checkValidity()) {
    byId("said").textContent = event.target.validationMessage;
    return;
  }
  const most = event.target.valueAsNumber;
  command({ pagesPerDay: most }, most ? `At most ${most} a day at once; the rest waits.` : "Any number at once.");
});
document.querySelectorAll("input[name=rule]").forEach((input) => {
  input.addEventListener("change", () => command({ rule: input.value }, `${input.value} judges from now on.`));
});
byId("crash").addEventListener("click", () => command("crash", "The alerter dies in the middle of its next batch; another container takes over."));
byId("poison").addEventListener("click", () => command("poison", "In the stream: three bad records for quarantine, one too late, one duplicate. Nobody else is harmed."));

const updates = new EventSource("/updates");
updates.addEventListener("message", (event) => apply(JSON.parse(event.data)));
updates.addEventListener("open", () => { byId("connection").textContent = ""; });
updates.addEventListener("error", () => { byId("connection").textContent = "not connected"; });
