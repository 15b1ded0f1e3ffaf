"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const text = (row, column) => row.cells[column]?.textContent.trim() ?? "";
  const number = (words) => parseFloat(words.replace("−", "-").replace(/,(?=\d{3})/g, ""));
  const numeric = (words) => /^[-+−]?[\d.]/.test(words);

  const compare = (column, sign) => (one, other) => {
    const a = text(one, column), b = text(other, column);
    if (!a || !b) return !a - !b;
    if (numeric(a) && numeric(b)) return sign * (number(a) - number(b));
    if (numeric(a) !== numeric(b)) return numeric(b) - numeric(a);
    return sign * a.localeCompare(b);
  };

  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = head.ariaSort !== "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      body.append(...rows.sort(compare(column, rising ? 1 : -1)));
    });
  });

  const label = document.createElement("label"), field = document.createElement("input");
  const count = document.createElement("output");
  label.className = "filter";
  field.type = "search";
  field.placeholder = "mnist translate";
  label.append("Rows with ", field, " ", count);
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  field.addEventListener("input", filter);
  filter();
  table.before(label);
}
