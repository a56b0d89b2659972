// A grid of thumbnails. Click or Enter chooses; the tick in the corner, or a click with Shift or Ctrl, picks several.

function render({ model, el }) {
  const send = sender(model);
  const grid = element("div", { class: "grid" });
  const bar = element("div", { class: "bar" });
  const told = problemLine(model);
  el.replaceChildren(element("div", { class: "atelier gallery" }, grid, bar, told.node));
  const picks = new Set();
  let cells = [], newest = 0;
  const severally = model.get("buttons").some((label) => label.endsWith("…"));
  const pickable = model.get("buttons").length > 0;

  const buttons = model.get("buttons").map((label) => {
    const node = button();
    node.onclick = () => { send(label, [...picks].sort((a, b) => a - b)); picks.clear(); show(); expect(); };
    bar.append(node);
    return { label, node };
  });
  bar.hidden = !buttons.length;

  function show() {
    cells.forEach(({ node, tick }, i) => {
      node.classList.toggle("picked", picks.has(i));
      tick.setAttribute("aria-checked", String(picks.has(i)));
    });
    for (const { label, node } of buttons) {
      const several = label.endsWith("…");
      const word = several ? label.slice(0, -1) : label;
      node.disabled = several && picks.size < 2;
      node.textContent = several ? (picks.size > 1 ? `${word} ${picks.size}` : `${word} (tick two or more)`) : word;
    }
  }
  // Where several can be picked, every act asks for other pictures: these ones are over.
  function expect() {
    if (severally) cells.forEach(({ node }) => node.classList.add("waiting"));
  }
  function pick(i) {
    if (!picks.delete(i)) picks.add(i);
    show();
  }
  function cell(i) {
    const canvas = element("canvas", { role: "img" });
    const open = element("button", { type: "button", class: "open" }, canvas);
    const tick = button("", { class: "tick", role: "checkbox", title: "Pick this one" });
    tick.hidden = !pickable;
    const caption = element("figcaption");
    const node = element("figure", {}, open, tick, caption);
    open.onclick = (event) => {
      if (node.classList.contains("waiting")) return;
      if (pickable && (event.shiftKey || event.ctrlKey || event.metaKey)) return pick(i);
      picks.clear();
      send("choose", i);
      expect();
      node.classList.add("chosen");
    };
    tick.onclick = () => { if (!node.classList.contains("waiting")) pick(i); };
    return { node, canvas, open, tick, caption };
  }
  async function refresh() {
    const { header, pictures } = unpack(model.get("frame"));
    if (!header.labels) return;
    const mine = ++newest;
    const bitmaps = await Promise.all(header.labels.map((_, i) => decode(pictures[i])));
    if (mine !== newest) return bitmaps.forEach((bitmap) => bitmap.close());
    if (header.fresh) picks.clear();
    grid.style.setProperty("--columns", model.get("columns"));
    while (cells.length < header.total) { cells.push(cell(cells.length)); grid.append(cells[cells.length - 1].node); }
    while (cells.length > header.total) cells.pop().node.remove();
    cells.forEach(({ node, canvas, open, caption }, i) => {
      const bitmap = bitmaps[i];
      node.classList.remove("chosen");
      node.classList.toggle("waiting", !bitmap);
      caption.hidden = !header.captions;
      if (!bitmap) return;
      put(canvas, bitmap);
      canvas.setAttribute("aria-label", header.labels[i]);
      open.setAttribute("aria-label", header.labels[i]);
      caption.textContent = header.labels[i];
    });
    show();
  }
  const forget = listen(model, { "change:frame": refresh });
  show();
  refresh();
  return () => { forget(); told.forget(); };
}

export default { render };
