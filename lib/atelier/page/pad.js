// A pad. One brush draws a digit, the other covers pixels of it or of a picture; both are sent when the hand is lifted.

const SOFT = 1.25, COVER = 0.08;  // radii of the brushes: in pixels, and as a share of the longer side

function render({ model, el }) {
  const [high, wide] = model.get("size"), many = high * wide, draws = model.get("draws");
  const canvas = element("canvas", { width: String(wide), height: String(high), tabindex: "0", role: "img" });
  const draw = button("Draw", { title: "Draw a digit" }), cover = button("Cover", { title: "Paint over what is to be hidden" });
  const undo = button("Undo", { title: "Take back the last stroke" }), clear = button("Clear", { title: "Take away all strokes" });
  const root = element("div", { class: "atelier pad" }, canvas, element("div", { class: "row", role: "group", "aria-label": "Pad" }, draw, cover, undo, clear));
  el.replaceChildren(root);
  root.style.setProperty("--shape", wide / high);
  root.classList.toggle("covers", !draws);
  draw.hidden = cover.hidden = !draws;
  const read = (name) => { const found = bytesOf(model.get(name)); return found.length === many ? found.slice() : new Uint8Array(many); };
  let mode = model.get("mode"), digit = read("digit"), mask = read("mask"), before = [], last = null;

  function paint() {
    const picture = bytesOf(model.get("picture")), ground = digit.some(Boolean) || picture.length < many ? digit : picture;
    const channels = ground.length / many, shown = new ImageData(wide, high);
    for (let i = 0; i < many; i++) {
      for (let k = 0; k < 3; k++) {
        const value = ground[channels === 3 ? 3 * i + k : i];
        shown.data[4 * i + k] = mask[i] ? 0.45 * value + [60, 95, 140][k] : value;
      }
      shown.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
    draw.setAttribute("aria-pressed", String(mode === "draw"));
    cover.setAttribute("aria-pressed", String(mode === "cover"));
    undo.disabled = !before.length;
    clear.disabled = !digit.some(Boolean) && !mask.some(Boolean);
    canvas.setAttribute("aria-label", `A pad to ${mode === "draw" ? "draw a digit" : `cover parts of the ${draws ? "digit" : "picture"}`}`);
  }
  function stamp(x, y) {
    const reach = mode === "draw" ? SOFT : COVER * Math.max(high, wide), far = Math.ceil(reach) + 1;
    for (let j = Math.floor(y) - far; j <= y + far; j++) for (let i = Math.floor(x) - far; i <= x + far; i++) {
      if (i < 0 || j < 0 || i >= wide || j >= high) continue;
      const apart = Math.hypot(i + 0.5 - x, j + 0.5 - y), at = j * wide + i;
      if (mode === "cover") { if (apart <= reach) mask[at] = 255; }
      else digit[at] = Math.max(digit[at], Math.round(255 * clamp(reach + 0.6 - apart, 0, 1)));
    }
  }
  function stroke(x, y) {
    const [fromX, fromY] = last ?? [x, y], steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) * 2));
    for (let k = 1; k <= steps; k++) stamp(fromX + ((x - fromX) * k) / steps, fromY + ((y - fromY) * k) / steps);
    last = [x, y];
    paint();
  }
  const place = (e) => { const [u, v] = shares(canvas, e); return [u * wide, v * high]; };
  function keep() {
    const bytes = (pixels) => new DataView((pixels.some(Boolean) ? pixels : new Uint8Array()).slice().buffer);
    model.set("digit", bytes(digit));
    model.set("mask", bytes(mask));
    model.set("mode", mode);
    model.save_changes();
  }
  const remember = () => { before = [...before.slice(-20), [digit.slice(), mask.slice()]]; };
  canvas.onpointerdown = (e) => { if (e.button) return; canvas.setPointerCapture(e.pointerId); remember(); last = null; stroke(...place(e)); };
  canvas.onpointermove = (e) => { if (canvas.hasPointerCapture(e.pointerId)) stroke(...place(e)); };
  canvas.onpointerup = canvas.onpointercancel = () => { last = null; keep(); };
  draw.onclick = () => { mode = "draw"; paint(); };
  cover.onclick = () => { mode = "cover"; paint(); };
  undo.onclick = () => { [digit, mask] = before.pop(); paint(); keep(); };
  clear.onclick = () => { remember(); digit = new Uint8Array(many); mask = new Uint8Array(many); paint(); keep(); };
  canvas.onkeydown = (e) => {
    if (e.key === "z" && (e.ctrlKey || e.metaKey) && before.length) undo.onclick();
    else if (e.key === "Delete") clear.onclick();
    else return;
    e.preventDefault();
  };
  const forget = listen(model, { "change:picture": paint, "change:mode": () => { mode = model.get("mode"); paint(); } });
  paint();
  return forget;
}

export default { render };
