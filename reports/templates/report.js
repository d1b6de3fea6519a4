"use strict";
const announcement = document.getElementById("announcement");
const LONG_TABLE = 20;

// What is chosen stands in the address, as #?name=value&…, so that it can be sent to others.
const chosen = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");

function remember(values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === "") chosen.delete(name);
    else chosen.set(name, value);
  }
  history.replaceState(null, "", `#?${chosen}`);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  const next = { none: "descending", descending: "ascending", ascending: "none" };
  const sort = (column, direction) => {
    headers.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
    headers[column].setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...original];
    if (direction !== "none") {
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], sign));
    }
    body.append(...rows);
  };
  headers.forEach((header, column) => {
    header.querySelector("button")?.addEventListener("click", () => {
      const direction = next[header.getAttribute("aria-sort")];
      sort(column, direction);
      const how = direction === "none" ? "in its original order" : `sorted by ${header.textContent.trim()}, ${direction}`;
      announcement.textContent = `Table ${how}`;
      remember({ [`sort-${table.id}`]: direction === "none" ? "" : `${column} ${direction}` });
    });
  });
  const [column, direction] = (chosen.get(`sort-${table.id}`) ?? "").split(" ");
  if (headers[column]?.hasAttribute("aria-sort") && direction in next) sort(Number(column), direction);
  if (original.length > LONG_TABLE) addFilter(table, original);
}

function compare(a, b, sign) {
  const numbers = [a, b].map((cell) => cell.dataset.order);
  if (numbers.every((entry) => entry === undefined)) {
    return sign * a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  }
  const [left, right] = numbers.map((entry) => (entry ? Number(entry) : NaN));
  if (Number.isNaN(left) || Number.isNaN(right)) {
    return Number.isNaN(left) - Number.isNaN(right);
  }
  return left === right ? 0 : sign * (left < right ? -1 : 1);
}

function addFilter(table, rows) {
  const box = table.closest(".table");
  const count = box.querySelector(".count");
  const label = document.createElement("label");
  const field = document.createElement("input");
  label.className = "filter";
  label.append("Filter rows ", field);
  field.type = "search";
  field.placeholder = "words";
  field.setAttribute("aria-controls", table.id);
  field.addEventListener("input", () => {
    const words = field.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(words);
      shown += !row.hidden;
    }
    count.textContent = words ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    announcement.textContent = count.textContent;
  });
  box.prepend(label);
}

// A link into what is folded unfolds it.
function unfold() {
  const target = location.hash.startsWith("#?") ? null : document.getElementById(location.hash.slice(1));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
unfold();

// What is folded on the screen is printed, and folded again afterwards.
const unfolded = [];
window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open])")) {
    fold.open = true;
    unfolded.push(fold);
  }
});
window.addEventListener("afterprint", () => {
  for (const fold of unfolded.splice(0)) fold.open = false;
});
