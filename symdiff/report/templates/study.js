"use strict";
// Sorting and filtering are added to tables that are complete without them.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const noun = table.dataset.sortable;
  const controls = document.createElement("div");
  controls.className = "controls";
  const label = document.createElement("label");
  label.append("Filter " + noun);
  const input = document.createElement("input");
  input.type = "search";
  input.autocomplete = "off";
  label.append(input);
  controls.append(label);
  const select = document.createElement("select");
  const kinds = new Set(rows.flatMap((row) => (row.dataset.kinds || "").split(" ").filter(Boolean)));
  if (kinds.size) {
    const choice = document.createElement("label");
    choice.append("Show");
    for (const [value, text] of [["", "all"], ["done", "complete"], ["failed", "with failures"],
      ["missing", "with missing runs"], ["caution", "with cautions"], ["best", "best of a model"]]) {
      if (value === "" || kinds.has(value)) select.append(new Option(text, value));
    }
    choice.append(select);
    controls.append(choice);
  }
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  controls.append(status);
  table.parentElement.before(controls);

  const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase().replace(/\s+/g, " ")]));
  let sorted = "";
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => text.get(row).includes(word)) &&
        (!select.value || (row.dataset.kinds || "").split(" ").includes(select.value));
      row.classList.toggle("filtered", !fits);
      shown += fits;
    }
    status.textContent = shown + " of " + rows.length + " " + noun + " shown" + sorted;
  };

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
  };
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const name = head.textContent.trim();
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const numeric = head.dataset.type === "number";
      body.append(...rows.map((row) => [key(row, column), row]).sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last either way
        return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
      }).map(([, row]) => row));
      sorted = ", sorted by " + name + (down ? ", descending" : ", ascending");
      show();
    });
  });
  input.addEventListener("input", show);
  select.addEventListener("change", show);
  show();
}
