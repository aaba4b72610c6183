"use strict";
// One cursor over all charts. Its values are read from the table, so charts, table and legend say the same.
const SVG = "http://www.w3.org/2000/svg";
const rows = [...document.querySelectorAll("#points tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent));
const plots = [...document.querySelectorAll(".plot")];
const outputs = [...document.querySelectorAll(".chart output")].map((output) => ({ output, rest: output.textContent }));
const readout = document.querySelector(".readout");
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
const last = rows.length - 1;
let cursor = -1;

const draw = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const charts = plots.map((plot) => {
  const layer = draw("g", { "aria-hidden": "true" });
  plot.firstElementChild.append(layer);
  const lines = [...plot.querySelectorAll("path[data-y]")].map((path) => ({
    places: path.dataset.y.split(","),
    colour: path.parentElement.getAttribute("class").split(" ")[0],
  }));
  return { plot, layer, lines };
});

/** Where a point is on the axis of a chart, in percent. */
function place({ dataset }, at) {
  const [from, to] = [Number(dataset.from), Number(dataset.to)];
  return from + ((to - from) * at) / Math.max(1, last);
}

/** Moves the cursor to a point of the table; to none below 0. */
function point(at) {
  cursor = at < 0 ? -1 : Math.min(last, at);
  for (const { plot, layer, lines } of charts) {
    layer.replaceChildren();
    const { top, foot } = plot.dataset;
    const x = `${place(plot, Math.max(0, cursor))}%`;
    if (cursor >= 0) layer.append(draw("line", { class: "cur", x1: x, x2: x, y1: top, y2: foot }));
    for (const { places, colour } of cursor >= 0 ? lines : []) {
      if (places[cursor]) layer.append(draw("circle", { class: `dot ${colour}`, cx: x, cy: places[cursor], r: 3.5 }));
    }
    plot.setAttribute("aria-valuenow", cursor < 0 ? last : cursor);
    plot.setAttribute("aria-valuetext", cursor < 0 ? readout.dataset.rest : spoken(plot));
  }
  outputs.forEach(({ output, rest }, i) => { output.textContent = cursor < 0 ? rest : rows[cursor][i + 1]; });
  readout.textContent = cursor < 0 ? readout.dataset.rest : `At ${rows[cursor][0]} into the run`;
}

/** The values of one chart in words. */
function spoken(plot) {
  const series = [...plot.parentElement.querySelectorAll(".k")].map((key) => key.querySelector("bdi").textContent);
  const first = outputs.findIndex(({ output }) => plot.parentElement.contains(output));
  return `${rows[cursor][0]}: ${series.map((name, i) => `${name} ${rows[cursor][first + i + 1]}`).join(", ")}`;
}

if (rows.length > 0) {
  document.documentElement.classList.add("js");
  document.querySelector(".hint").hidden = false;
  for (const { plot } of charts) {
    const title = plot.parentElement.querySelector("figcaption b").textContent;
    plot.firstElementChild.setAttribute("aria-hidden", "true");
    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", `${title}. Arrow keys read it.`);
    plot.setAttribute("aria-valuemin", 0);
    plot.setAttribute("aria-valuemax", last);
    const move = (event) => {
      const box = plot.getBoundingClientRect();
      const percent = (100 * (event.clientX - box.left)) / Math.max(1, box.width);
      const [from, to] = [place(plot, 0), place(plot, last)];
      point(Math.max(0, Math.round((last * (percent - from)) / Math.max(0.001, to - from))));
    };
    plot.addEventListener("pointermove", move);
    plot.addEventListener("pointerdown", move);
    plot.addEventListener("pointerleave", () => point(-1));
    plot.addEventListener("blur", () => point(-1));
    plot.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const step = KEYS[event.key];
      if (step) point(Math.max(0, (cursor < 0 ? last : cursor) + step));
      else if (event.key === "Home") point(0);
      else if (event.key === "End") point(last);
      else if (event.key === "Escape" && cursor >= 0) point(-1);
      else return;
      event.preventDefault();
    });
  }
  point(-1);
}

// The time where the reader is, beside UTC.
for (const time of document.querySelectorAll("time[data-local]")) {
  const at = new Date(time.dateTime);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (at.getTimezoneOffset() === 0) continue;
  const two = (number) => String(number).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  time.after(` (${day === time.dateTime.slice(0, 10) ? "" : `${day} `}${clock} in ${zone.replaceAll("_", " ")})`);
}
