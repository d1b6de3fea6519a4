"use strict";
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
    });
  });
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

window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
