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
    const slider = element("input", { type: "range", min: low, max: high, step, "aria-label": title });
    const shown = element("output", {});
    slider.value = values[name];
    const tell = () => { shown.textContent = (+slider.value).toLocaleString("en", { maximumFractionDigits: 2 }); };
    slider.oninput = () => { values[name] = +slider.value; tell(); turn(); };
    tell();
    rows.append(element("label", {}, element("span", { text: title }), slider, shown));
  }
  if (pad.length) {
    const [first, second] = pad.map((name) => knobs.find((knob) => knob.name === name));
    const place = () => {
      dot.style.left = `${(100 * (values[first.name] - first.low)) / (first.high - first.low)}%`;
      dot.style.top = `${(100 * (values[second.name] - second.low)) / (second.high - second.low)}%`;
    };
    const put = (u, v) => {
      const clip = (share) => Math.min(1, Math.max(0, share));
      values[first.name] = first.low + clip(u) * (first.high - first.low);
      values[second.name] = second.low + clip(v) * (second.high - second.low);
      place();
      turn();
    };
    const follow = (event) => {
      const box = square.getBoundingClientRect();
      put((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    square.onpointerdown = (event) => { square.setPointerCapture(event.pointerId); follow(event); };
    square.onpointermove = (event) => { if (event.pointerType === "mouse" || event.buttons) follow(event); };
    square.onkeydown = (event) => {
      const move = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] }[event.key];
      if (!move) return;
      event.preventDefault();
      put((values[first.name] - first.low) / (first.high - first.low) + move[0], (values[second.name] - second.low) / (second.high - second.low) + move[1]);
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
    if (mine !== newest) return;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
    bitmap.close();
    told.textContent = header.note ?? "";
  }
  const forget = listen(model, { "change:frame": refresh, "change:look": label });
  refresh();
  return () => { forget(); problem.forget(); clearTimeout(waiting); clearTimeout(lifted); };
}

export default { render };
