"use strict";
// Sort a table by a click on its header: up, down, as written. Tables whose rows stand in groups are left alone.
const value = (row, column) => {
  const cell = row.cells[column], data = cell && cell.querySelector("data");
  const text = cell ? cell.textContent.trim() : "";
  const number = data ? Number(data.value) : parseFloat(text.replace("−", "-").replace(/^[<>≥≤]\s*/, ""));
  return { text, number, empty: text === "" };
};
const order = (a, b) => Number.isNaN(a.number) || Number.isNaN(b.number)
  ? a.text.localeCompare(b.text, "en", { numeric: true }) : a.number - b.number || a.text.localeCompare(b.text);
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], rows = [...body.rows], headers = [...table.tHead.rows[0].cells];
  if (rows.length < 3 || rows.some(row => row.cells.length !== headers.length)) continue;
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.append(...header.childNodes);
    header.append(button);
    button.title = "Sort by this column";
    button.addEventListener("click", () => {
      const before = header.getAttribute("aria-sort");
      const next = { ascending: "descending", descending: null }[before];
      headers.forEach(other => other.removeAttribute("aria-sort"));
      const way = next === undefined ? "ascending" : next;
      if (way) header.setAttribute("aria-sort", way);
      const sign = way === "descending" ? -1 : 1;
      const keyed = rows.map(row => [value(row, column), row]);
      if (way) keyed.sort(([a], [b]) => a.empty - b.empty || sign * order(a, b));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
// The contents are open beside a wide page, and folded above a narrow one.
const contents = document.querySelector("nav.contents details"), wide = matchMedia("(min-width: 70rem)");
const fold = () => { contents.open = wide.matches; };
fold();
wide.addEventListener("change", fold);
contents.addEventListener("click", event => { if (event.target.closest("a") && !wide.matches) contents.open = false; });
const links = new Map([...contents.querySelectorAll("a")].map(link => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    const link = links.get(target.getAttribute("aria-labelledby"));
    if (link) link.toggleAttribute("aria-current", isIntersecting);
  }
}, { rootMargin: "-20% 0px -75% 0px" });
document.querySelectorAll("main > section").forEach(section => seen.observe(section));
