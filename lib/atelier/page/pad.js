// A pad of 28 x 28 pixels. One brush draws a digit, the other covers pixels; both are sent when the hand is lifted.

const SIDE = 28, SOFT = 1.25, COVER = 2.2;  // radii of the brushes, in pixels

function render({ model, el }) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, tabindex: "0", role: "img" });
  const draw = element("button", { type: "button", text: "Draw", title: "Draw a digit" });
  const cover = element("button", { type: "button", text: "Cover", title: "Paint over what is to be hidden" });
  const undo = element("button", { type: "button", text: "Undo", title: "Take back the last stroke" });
  const clear = element("button", { type: "button", text: "Clear", title: "Take away all strokes" });
  const root = element("div", { class: "atelier pad" }, canvas, element("div", { class: "row", role: "group", "aria-label": "Pad" }, draw, cover, undo, clear));
  el.replaceChildren(root);
  const read = (name) => { const found = bytesOf(model.get(name)); return found.length === SIDE * SIDE ? found.slice() : new Uint8Array(SIDE * SIDE); };
  let mode = model.get("mode"), digit = read("digit"), mask = read("mask"), before = [], last = null;

  function paint() {
    const ground = digit.some(Boolean) ? digit : read("picture"), shown = new ImageData(SIDE, SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) {
      const gray = ground[i], covered = mask[i] > 0;
      shown.data.set(covered ? [0.45 * gray + 60, 0.45 * gray + 95, 0.45 * gray + 140, 255] : [gray, gray, gray, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
    draw.setAttribute("aria-pressed", String(mode === "draw"));
    cover.setAttribute("aria-pressed", String(mode === "cover"));
    undo.disabled = !before.length;
    clear.disabled = !digit.some(Boolean) && !mask.some(Boolean);
    canvas.setAttribute("aria-label", `A pad to ${mode === "draw" ? "draw a digit" : "cover parts of the digit"}`);
  }
  function stamp(x, y) {
    const reach = mode === "draw" ? SOFT : COVER;
    for (let j = Math.floor(y - 3); j <= y + 3; j++) for (let i = Math.floor(x - 3); i <= x + 3; i++) {
      if (i < 0 || j < 0 || i >= SIDE || j >= SIDE) continue;
      const apart = Math.hypot(i + 0.5 - x, j + 0.5 - y), at = j * SIDE + i;
      if (mode === "cover") { if (apart <= reach) mask[at] = 255; }
      else digit[at] = Math.max(digit[at], Math.round(255 * Math.min(1, Math.max(0, reach + 0.6 - apart))));
    }
  }
  function stroke(x, y) {
    const [fromX, fromY] = last ?? [x, y], steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) * 2));
    for (let k = 1; k <= steps; k++) stamp(fromX + ((x - fromX) * k) / steps, fromY + ((y - fromY) * k) / steps);
    last = [x, y];
    paint();
  }
  const place = (e) => {
    const box = canvas.getBoundingClientRect();
    return [((e.clientX - box.left) / box.width) * SIDE, ((e.clientY - box.top) / box.height) * SIDE];
  };
  function keep() {
    const bytes = (pixels) => new DataView((pixels.some(Boolean) ? pixels : new Uint8Array()).slice().buffer);
    model.set("digit", bytes(digit));
    model.set("mask", bytes(mask));
    model.set("mode", mode);
    model.save_changes();
  }
  const remember = () => { before = [...before.slice(-20), [digit.slice(), mask.slice()]]; };
  canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); remember(); last = null; stroke(...place(e)); };
  canvas.onpointermove = (e) => { if (canvas.hasPointerCapture(e.pointerId)) stroke(...place(e)); };
  canvas.onpointerup = canvas.onpointercancel = () => { last = null; keep(); };
  draw.onclick = () => { mode = "draw"; paint(); };
  cover.onclick = () => { mode = "cover"; paint(); };
  undo.onclick = () => { [digit, mask] = before.pop(); paint(); keep(); };
  clear.onclick = () => { remember(); digit = new Uint8Array(SIDE * SIDE); mask = new Uint8Array(SIDE * SIDE); paint(); keep(); };
  canvas.onkeydown = (e) => {
    if (e.key === "z" && (e.ctrlKey || e.metaKey) && before.length) undo.onclick();
    else if (e.key === "Delete") clear.onclick();
    else return;
    e.preventDefault();
  };
  const forget = listen(model, { "change:picture": paint });
  paint();
  return forget;
}

export default { render };
