// The page Queue: figures that move in place, the count of what is selected, previews that say what came since.
// The page works without it.
import { at } from "./base.js";
import { clock, parse, put } from "./dom.js";
import { feed } from "./feed.js";
import { serverNow } from "./frame.js";
import { fmt } from "./math.js";

const EVERY = 2000; // between two looks at the server
const LEAST = 0.05; // below this a rate is shown as less than a tenth

const byId = (id) => document.getElementById(id);
const whole = fmt.n;
const perSecond = (rate) => (rate === 0 ? "0" : rate < LEAST ? "<0.1" : rate < 9.95 ? rate.toFixed(1) : whole(rate));
const plural = (count, one, many) => `${whole(count)} ${count === 1 ? one : many}`;

// ---- the selection

const boxes = (name) => [...document.querySelectorAll(`#letters input[name="${name}"]`)];

/** Says how much is selected. A letter whose group is selected is selected with it. */
function count() {
  const bar = byId("selected");
  if (!bar) return;
  const groups = boxes("group");
  const picked = groups.filter((box) => box.checked);
  const chosen = new Set(picked.map((box) => box.value));
  let letters = 0;
  for (const box of boxes("letter")) {
    const row = box.closest("tr");
    const within = chosen.has(row.dataset.of);
    box.disabled = within;
    if (within) box.checked = false;
    row.classList.toggle("picked", box.checked || within);
    if (box.checked) letters += 1;
  }
  for (const box of groups) box.closest("tr").classList.toggle("picked", box.checked);
  const sum = picked.reduce((all, box) => all + Number(box.dataset.count), letters);
  const text = sum ? `${whole(sum)} selected` : "Nothing selected";
  if (bar.textContent !== text) bar.textContent = text;
  byId("selected-groups").textContent = picked.length ? plural(picked.length, "group", "groups") : "";
  for (const button of document.querySelectorAll(".selbar button")) {
    button.disabled = sum === 0;
    if (button.dataset.verb) button.textContent = `${button.dataset.verb} ${sum ? whole(sum) : "selected"}…`;
  }
  const every = byId("every");
  every.hidden = false;
  every.checked = groups.length > 0 && picked.length === groups.length;
  every.indeterminate = picked.length > 0 && picked.length < groups.length;
}

document.addEventListener("change", (event) => {
  if (!event.target.matches?.('#letters input[type="checkbox"]')) return;
  if (event.target.id === "every") for (const box of boxes("group")) box.checked = event.target.checked;
  count();
});
document.addEventListener("reset", (event) => event.target.id === "letters" && setTimeout(count));

// ---- figures that move

function showStates(queue, metrics) {
  for (const figure of document.querySelectorAll("#states .fig")) {
    const value = queue.counts[figure.dataset.state];
    const data = figure.querySelector("data");
    data.value = value;
    put(data, whole(value));
  }
  const note = (state) => document.querySelector(`#states [data-state="${state}"] .n`);
  const growth = metrics.deadLettersPerSecond;
  const more = growth > 0 ? `, +${perSecond(growth)} a second` : "";
  put(note("failed"), `${plural(queue.deadLetters, "dead letter", "dead letters")}${more}`);
  document.querySelector('#states [data-state="failed"] data').classList.toggle("bad", queue.deadLetters > 0);
  put(note("completed"), `${perSecond(metrics.throughput)} a second`);
  const rate = (name) => document.querySelector(`#rates [data-rate="${name}"]`);
  const { waiting, prioritized, delayed, active } = queue.counts;
  put(rate("state"), queue.paused ? "Paused" : "Running");
  put(rate("oldest"), queue.oldestJobAgeMs ? `oldest job ${span(queue.oldestJobAgeMs)}` : "nothing in line");
  const unfinished = whole(waiting + prioritized + delayed + active);
  put(rate("unfinished"), `unfinished ${unfinished}${delayed ? " with holds" : ""}, room for ${whole(queue.capacity)}`);
  const accepted = perSecond(metrics.ordersPerSecond);
  put(rate("rates"), `completed ${perSecond(queue.completedPerSecond)} a second, accepted ${accepted} a second`);
}

function span(ms) {
  if (ms < 1000) return `${ms} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(2)} s`;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s / 60) % 60)} min`;
  return `${whole(Math.floor(s / 86400))} days`;
}

/** Rows keep their place; one whose letters are gone stays with 0 until the page is loaded again. */
function showGroups(groups) {
  const byError = new Map(groups.map((group) => [group.error, group]));
  const all = groups.reduce((sum, group) => sum + group.count, 0);
  let unseen = 0;
  const rows = document.querySelectorAll("#groups tr[data-error]");
  const shown = new Set([...rows].map((row) => row.dataset.error));
  for (const group of groups) if (!shown.has(group.error)) unseen += group.count;
  for (const row of rows) {
    const group = byError.get(row.dataset.error) ?? { count: 0, growthPerSecond: 0 };
    const data = row.querySelector("data");
    data.value = group.count;
    put(data, whole(group.count));
    const box = row.querySelector('input[name="group"]');
    box.dataset.count = group.count;
    box.setAttribute("aria-label", `Select the ${whole(group.count)} with: ${row.dataset.error}`);
    row.querySelector('button[name="retry-group"]').setAttribute("aria-label", `Retry the ${whole(group.count)} with: ${row.dataset.error}`);
    row.querySelector("rect").setAttribute("width", `${all ? ((100 * group.count) / all).toFixed(2) : 0}%`);
    const growth = group.growthPerSecond;
    row.querySelector(".c-growth").firstChild.data = `${growth > 0 ? "+" : ""}${perSecond(growth)}`;
    row.classList.toggle("was", group.count === 0);
    const last = row.querySelector(".c-last time");
    if (group.last && last.dateTime !== group.last && group.last.slice(0, 10) === new Date(serverNow()).toISOString().slice(0, 10)) {
      last.dateTime = group.last;
      last.textContent = clock(Date.parse(group.last));
    }
  }
  const summary = byId("summary");
  const more = unseen ? `; ${whole(unseen)} with new errors, load again to see them` : "; numbers grow, rows keep their place";
  if (rows.length) put(summary, `${whole(all)} in ${plural(groups.length, "group", "groups")} by their last error${more}`);
  else if (all) put(summary, `${plural(all, "dead letter has", "dead letters have")} come. Load the page again to see them.`);
}

const api = async (path) => {
  const response = await fetch(at(`/api/v1${path}`), { headers: { accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
};

/** The letters that the page shows, as the API is asked for them. */
function filter() {
  const wanted = new URLSearchParams();
  const form = byId("letters");
  for (const name of ["reason", "productId"]) {
    const value = form?.elements[name]?.value;
    if (value) wanted.set(name, value);
  }
  return wanted.size ? `?${wanted}` : "";
}

let metrics = null;
feed.on("metrics-update", (latest) => (metrics = latest));

async function look() {
  const begun = performance.now();
  try {
    if (!document.hidden && byId("states")) {
      const [queue, groups] = await Promise.all([api("/queue"), api(`/queue/dead-letter/groups${filter()}`)]);
      if (byId("states")) {
        if (metrics) showStates(queue, metrics);
        showGroups(groups);
        count();
      }
    }
    await askAgain();
  } catch {
    // The top says that the server does not respond; the numbers stay as they were.
  }
  // A tenth of the time at most, however many letters there are.
  setTimeout(look, Math.max(EVERY, 10 * (performance.now() - begun)));
}

// ---- the preview

/** Counts again for the preview that is open: what came since, what is left now, whether the cause lasts. */
async function askAgain() {
  const form = document.querySelector("[data-preview] form");
  if (!form) return;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("again", fields.get("act"));
  const response = await fetch(at("/queue/act"), { method: "POST", body: fields, credentials: "same-origin" });
  if (!response.ok) return;
  const page = parse(await response.text());
  for (const id of ["came-since", "needs", "cause"]) {
    const [old, fresh] = [byId(id), page.getElementById(id)];
    if (old && fresh && old.innerHTML !== fresh.innerHTML) old.replaceChildren(...document.adoptNode(fresh).childNodes);
  }
}

let pointer = null;
document.addEventListener("pointerdown", (event) => (pointer = [event.clientX, event.clientY]), true);

/** The acting button is never where the pointer was. */
new MutationObserver(() => {
  const footer = document.querySelector("dialog[open] [data-preview] footer");
  const button = footer?.querySelector("button");
  if (!button || !pointer || footer.dataset.placed) return;
  footer.dataset.placed = "";
  const [x, y] = pointer;
  const box = button.getBoundingClientRect();
  const near = 24;
  if (x > box.left - near && x < box.right + near && y > box.top - near && y < box.bottom + near) footer.classList.add("away");
}).observe(document.body, { childList: true });

document.addEventListener("flashsale:page", count);
count();
setTimeout(look, EVERY);
