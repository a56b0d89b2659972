// Knobs that a picture follows while they move. Two of them may share a square pad, whose corners carry labels.

function render({ model, el }) {
  const send = sender(model);
  const { knobs, pad } = model.get("look");
  const values = { ...model.get("values") };
  const canvas = element("canvas", { role: "img", "aria-label": "What the knobs make" });
  const told = element("div", { class: "told", role: "status" });
  const problem = problemLine(model);
  const rows = element("div", { class: "knobs" });
  const square = element("div", { class: "pad", tabindex: "0", role: "application", "aria-label": "Pad: move the pointer, or use the arrow keys" });
  const dot = element("span", { class: "dot" });
  const side = element("div", { class: "side" });
  const root = element("div", { class: "atelier instrument" }, side, element("figure", {}, canvas, told), problem.node);
  el.replaceChildren(root);
  let waiting = null, lifted = null, newest = 0, labels = [];
  const label = () => labels.forEach((node, k) => { node.textContent = model.get("look").corners[k] ?? ""; });

  // The kernel draws the newest values; the settled ones are kept when the hand rests.
  function turn() {
    clearTimeout(lifted);
    lifted = setTimeout(() => { model.set("values", { ...values }); model.save_changes(); }, 350);
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; send("turn", { ...values }); }, 30);
  }
  for (const { name, title, low, high, step } of knobs) {
    if (pad.includes(name)) continue;
    const { node, input, output } = knob(title, low, high, step);
    input.value = values[name];
    const tell = () => { output.textContent = (+input.value).toLocaleString("en", { maximumFractionDigits: 2 }); };
    input.oninput = () => { values[name] = +input.value; tell(); turn(); };
    tell();
    rows.append(node);
  }
  if (pad.length) {
    const axes = pad.map((name) => knobs.find((known) => known.name === name));
    const places = () => axes.map(({ name, low, high }) => (values[name] - low) / (high - low));
    const place = () => { [dot.style.left, dot.style.top] = places().map((share) => `${100 * share}%`); };
    const go = (to) => {
      axes.forEach(({ name, low, high }, k) => { values[name] = low + clamp(to[k], 0, 1) * (high - low); });
      place();
      turn();
    };
    const follow = (event) => go(shares(square, event));
    square.onpointerdown = (event) => { square.setPointerCapture(event.pointerId); follow(event); };
    square.onpointermove = (event) => { if (event.pointerType === "mouse" || event.buttons) follow(event); };
    square.onkeydown = (event) => {
      const move = ARROWS[event.key];
      if (!move) return;
      event.preventDefault();
      go(places().map((share, k) => share + 0.05 * move[k]));
    };
    labels = [0, 1, 2, 3].map((k) => element("span", { class: `corner corner-${k}` }));
    label();
    square.append(...labels, dot);
    place();
    side.append(square);
  }
  side.append(rows);
  side.hidden = Boolean(model.still); // a report has no kernel that draws

  async function refresh() {
    const { header, pictures } = unpack(model.get("frame"));
    if (!pictures.picture) return;
    const mine = ++newest, bitmap = await decode(pictures.picture);
    if (mine !== newest) return bitmap.close();
    put(canvas, bitmap);
    told.textContent = header.note ?? "";
  }
  const forget = listen(model, { "change:frame": refresh, "change:look": label });
  refresh();
  return () => { forget(); problem.forget(); clearTimeout(waiting); clearTimeout(lifted); };
}

export default { render };
