// The page Products: which fields are changed and how many, before anything is sent; asking before unsaved changes are
// left; the numbers of the list and the stock as they move. The page works without it.
import { clock, drawBar, put, set } from "./dom.js";
import { feed } from "./feed.js";
import { fmt } from "./math.js";

const none = (text) => (text === "" ? "none" : text);

const inputs = (form) => [...form.querySelectorAll("[data-field] input[data-was], [data-field] select[data-was]")];
const changed = (form) => inputs(form).filter((input) => input.value.trim() !== input.dataset.was);

/** Marks the changed fields and names them in the foot. */
function mark(form) {
  for (const input of inputs(form)) {
    const field = input.closest("[data-field]");
    const differs = input.value.trim() !== input.dataset.was;
    field.classList.toggle("changed", differs && !form.action.endsWith("/new"));
    const hint = field.querySelector("[data-hint]");
    if (hint && input.name !== "units") hint.textContent = differs && input.dataset.was ? `was ${input.dataset.was}` : "";
  }
  const all = changed(form);
  const save = form.querySelector("[data-save]");
  if (!save || "fixed" in save.dataset) return;
  const count = `${all.length} ${all.length === 1 ? "change" : "changes"}`;
  save.textContent = all.length ? `Save ${count}` : "Save";
  const summary = form.querySelector("[data-summary]");
  summary.textContent = "";
  if (!all.length) {
    summary.textContent = "What you change is saved together.";
    return;
  }
  const bold = document.createElement("b");
  bold.textContent = `${count}. `;
  const words = all.map((input) => {
    const label = input.closest("[data-field]").dataset.field.split(",")[0];
    return input.name === "units" ? `${label} ${input.value.trim()}` : `${label} ${none(input.dataset.was)} → ${none(input.value.trim())}`;
  });
  summary.append(bold, `${words.join(". ")}.`);
}

let leaving = false; // whether the changes are meant to be left behind, or are saved

function setUp() {
  leaving = false;
  const form = document.querySelector("form[data-edit]");
  if (!form) return;
  mark(form);
  form.addEventListener("input", () => mark(form));
}

const unsaved = () => {
  const form = document.querySelector("form[data-edit]");
  return form && !leaving && changed(form).length > 0;
};

addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});

// Not with a key that opens another tab: this one keeps its changes.
document.addEventListener("click", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey && event.button === 0;
  if (isPlain && event.target instanceof Element && event.target.closest("[data-discard]")) leaving = true;
});
// An act has ended on another page.
document.addEventListener("flashsale:leave", () => (leaving = true));
// A page that the browser kept and shows again.
addEventListener("pageshow", () => (leaving = false));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  const close = document.querySelector(".drawer [data-close]");
  if (close && !event.defaultPrevented) close.click();
});

document.addEventListener("flashsale:page", () => {
  setUp();
  document.querySelector(".drawer .note, #drawer-title")?.scrollIntoView({ block: "nearest" });
  document.getElementById("drawer-title")?.focus({ preventScroll: true });
});

/** Puts the numbers of a product where the page shows them. */
function show(product) {
  const row = document.querySelector(`tr[data-product="${Number(product.id)}"]`);
  if (!row) return;
  for (const name of ["left", "held", "sold"]) {
    const data = row.querySelector(`[data-${name}]`);
    const units = product[`${name === "left" ? "current" : name}Stock`];
    data.value = units;
    put(data, fmt.n(units));
  }
  drawBar(row.querySelector(".bar"), product);
  showState(row.querySelector("[data-open]"), product);
}

const OPEN = { out: ["stop", "", "sold out"], low: ["warning", "warn", "low"], sale: ["dot", "", "on sale"] };

/** Sold out, low or on sale, as the server says it: see `Standing::of`. */
function showState(state, p) {
  if (!state) return;
  const units = p.currentStock + p.heldStock + p.soldStock;
  const [icon, tone, word] = OPEN[p.currentStock === 0 ? "out" : p.currentStock * 10 < units ? "low" : "sale"];
  const [, text, gone] = state.children;
  if (text.textContent === word) return;
  set(state.querySelector("use"), "href", `#i-${icon}`);
  state.className = `state ${tone}`;
  put(text, word);
  put(gone, p.currentStock === 0 ? clock(feed.now()) : "");
}

setUp();
feed.on("inventory-update", (data) => data.products.forEach(show));
