"use strict";
const announcement = document.getElementById("announcement");
const LONG_TABLE = 20;

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  const next = { none: "descending", descending: "ascending", ascending: "none" };
  headers.forEach((header, column) => {
    header.firstElementChild.addEventListener("click", () => {
      const direction = next[header.getAttribute("aria-sort")];
      headers.forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...original];
      if (direction !== "none") {
        rows.sort((a, b) => compare(a.cells[column], b.cells[column], sign));
      }
      body.append(...rows);
      const how = direction === "none" ? "in its original order" : `sorted by ${header.textContent.trim()}, ${direction}`;
      announcement.textContent = `Table ${how}`;
    });
  });
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
    count.textContent = words ? `${shown} of ${rows.length} rows.` : `${rows.length} rows.`;
    announcement.textContent = count.textContent;
  });
  box.prepend(label);
}

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
