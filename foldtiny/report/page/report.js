"use strict";
// Comfort only: everything can be read without this.
(() => {
  document.documentElement.classList.add("js");
  const bubble = document.getElementById("tooltip");
  const place = (x, y) => {
    const box = bubble.getBoundingClientRect();
    bubble.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 4)) + "px";
    bubble.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18) + "px";
  };
  // The browser's own tooltips come late, and never on a touch screen.
  for (const title of document.querySelectorAll("svg .tip > title, svg.gauge > title")) {
    const owner = title.parentNode;
    owner.dataset.tip = title.textContent;
    if (owner.matches(".tip")) owner.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  document.addEventListener("pointerover", (event) => {
    const owner = event.target.closest ? event.target.closest("[data-tip]") : null;
    bubble.hidden = !owner;
    if (!owner) return;
    bubble.textContent = owner.dataset.tip;
    place(event.clientX, event.clientY);
  });
  document.addEventListener("pointermove", (event) => bubble.hidden || place(event.clientX, event.clientY));
  addEventListener("scroll", () => { bubble.hidden = true; }, { passive: true });

  const table = document.getElementById("all");
  if (table) {
    const body = table.tBodies[0];
    const value = (row, column, kind) => {
      const cell = row.cells[column];
      const raw = cell ? cell.dataset.v || "" : "";
      return kind === "number" ? (raw === "" ? null : Number(raw)) : raw;
    };
    const sort = (head) => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const column = head.cellIndex, kind = head.dataset.sort;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a, column, kind), value(b, column, kind)];
        if (x === null || y === null) return (x === null) - (y === null);
        return (kind === "number" ? x - y : x.localeCompare(y, "en", { numeric: true })) * (down ? -1 : 1);
      });
      body.append(...rows);
    };
    for (const head of table.querySelectorAll("th[data-sort]")) {
      head.tabIndex = 0;
      head.addEventListener("click", () => sort(head));
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
      });
    }
    const filter = document.getElementById("filter");
    if (filter) filter.addEventListener("input", () => {
      // A number means that number: 50 is not 502.
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
        const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        return new RegExp(/^[\d.]+$/.test(word) ? `(?<![\\w.])${plain}(?![\\w.])` : plain);
      });
      const hidden = new Set();
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase().replace(/\s+/g, " ");
        row.hidden = !words.every((word) => word.test(text));
        if (row.hidden) hidden.add(row.dataset.row);
      }
      for (const card of document.querySelectorAll("details.record")) card.hidden = hidden.has(card.id);
      for (const mark of document.querySelectorAll("[data-of]")) mark.classList.toggle("dim", hidden.has(mark.dataset.of));
      document.getElementById("shown").textContent = words.length ? `${body.rows.length - hidden.size} of ${body.rows.length}` : "";
    });
  }
  const open = () => {
    const card = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    if (card && card.tagName === "DETAILS") { card.open = true; card.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest('a[href^="#"]')) setTimeout(open, 0);
  });
  open();
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentNode.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch (error) {
        // Pages from a file may not write to the clipboard: select the text instead.
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
