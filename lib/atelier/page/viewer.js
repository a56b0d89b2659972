// A window on the plane, shown in one or several views: drag moves it, the wheel or two fingers magnify, and so do the
// keys. A field that came with its shader is drawn here, on the reader's graphics processor, at every move. Else, and
// deeper than a shader can tell points apart, the last picture follows the hand, stretched, and the exact one replaces it
// when the kernel has drawn it.

function render({ model, el }) {
  const send = sender(model);
  const { least, most, spans } = model.get("options");
  const views = element("div", { class: "views" });
  const button = (title, text) => element("button", { type: "button", title, "aria-label": title, text });
  const nearer = button("Zoom in", "+"), farther = button("Zoom out", "−"), reset = button("Reset the view", "Reset");
  const full = button("Full screen", "Full screen");
  const zoomed = element("span", { class: "zoomed", role: "status" });
  const map = element("canvas", { class: "map", "aria-hidden": "true", width: "72", height: "72" });
  const bar = element("div", { class: "bar" }, nearer, farther, reset, full, zoomed);
  const told = problemLine(model);
  const root = element("div", { class: "atelier viewer" }, views, bar, told.node);
  el.replaceChildren(root);
  let aim = { x: 0, y: 0, zoom: 1 }, shown = { ...aim }, aspect = 1, canvases = [], bitmaps = [], whole = null;
  let newest = 0, timer = null, lifted = null, alive = false;
  let shader = null, lit = false, frame = 0, coarse = 1, begun = 0, rate = 0;
  const spare = element("canvas");

  const half = (zoom) => {
    const unit = spans === "longer" ? Math.max(aspect, 1) : Math.min(aspect, 1);
    return [aspect / unit / zoom, 1 / unit / zoom];
  };

  // Draw by the shader, while the hand moves with fewer pixels if that is slow; false where it cannot be.
  function shade(moving) {
    const canvas = canvases[0];
    if (!shader || !canvas || aim.zoom > shader.deepest) return false;
    if (!lit && Object.keys(aim).every((key) => aim[key] === shown[key])) return false;  // the kernel's picture is there
    const scale = moving ? 1 / coarse : 1, began = performance.now();
    const across = Math.round(canvas.width * scale), down = Math.round(canvas.height * scale);
    if (!painter().draw(shader, { x: aim.x, y: aim.y, halfPixel: half(aim.zoom)[0] / across }, across, down)) return false;
    canvas.getContext("2d").drawImage(painter().canvas, 0, 0, canvas.width, canvas.height);
    const took = performance.now() - began;
    if (took > 60 && moving) coarse = Math.min(4, coarse * 1.3);
    if (took < 15 && moving) coarse = Math.max(1, coarse / 1.1);
    if (moving && begun) rate = 0.8 * rate + 0.2 * (1000 / Math.max(1, performance.now() - begun));
    begun = moving ? performance.now() : 0;
    return true;
  }
  function paint(moving = false) {
    const [hx, hy] = half(aim.zoom);
    const drawn = shade(moving);
    if (lit && !drawn && canvases[0]) {  // beyond the shader: its last picture is stretched until the kernel's is there
      spare.width = canvases[0].width; spare.height = canvases[0].height;
      spare.getContext("2d").drawImage(canvases[0], 0, 0);
      bitmaps = [spare]; shown = { ...lit };
    }
    lit = drawn ? { ...aim } : false;
    root.dataset.drawn = drawn ? "shader" : "kernel";
    if (!drawn) canvases.forEach((canvas, i) => {
      const bitmap = bitmaps[i];
      if (!bitmap) return;
      const c = canvas.getContext("2d"), ratio = aim.zoom / shown.zoom;
      c.clearRect(0, 0, canvas.width, canvas.height);
      const left = ((shown.x - half(shown.zoom)[0] - (aim.x - hx)) / (2 * hx)) * canvas.width;
      const top = ((shown.y - half(shown.zoom)[1] - (aim.y - hy)) / (2 * hy)) * canvas.height;
      c.drawImage(bitmap, left, top, canvas.width * ratio, canvas.height * ratio);
    });
    const unable = shader && !drawn && aim.zoom <= shader.deepest ? painter().reason : "";
    const how = unable ? ` · ${alive ? "drawn by the kernel" : "a still picture"}` : drawn && moving && rate ? ` · ${Math.round(rate)} frames/s` : "";
    zoomed.title = unable && `${unable}.`;
    zoomed.textContent = `zoom ${aim.zoom < 10 ? +aim.zoom.toPrecision(2) : aim.zoom < 1e6 ? Math.round(aim.zoom).toLocaleString("en") : aim.zoom.toExponential(1)}×${how}`;
    const away = aim.zoom > 1.2 || aim.x || aim.y;
    map.style.visibility = whole && away ? "visible" : "hidden";
    if (!whole || !away) return;
    const c = map.getContext("2d"), [wx, wy] = half(1);
    c.clearRect(0, 0, map.width, map.height);
    c.drawImage(whole, 0, 0, map.width, map.height);
    c.strokeStyle = "#fff"; c.lineWidth = 1.5; c.shadowColor = "#000"; c.shadowBlur = 2;
    const w = Math.max(5, (hx / wx) * map.width), h = Math.max(5, (hy / wy) * map.height);
    c.strokeRect((aim.x / wx / 2 + 0.5) * map.width - w / 2, (aim.y / wy / 2 + 0.5) * map.height - h / 2, w, h);
  }
  function move(next) {
    aim = next;
    if (shader) frame ||= requestAnimationFrame(() => { frame = 0; paint(true); });
    else paint();
    clearTimeout(lifted);
    lifted = setTimeout(() => { if (lit) paint(); model.set("window", { ...aim }); model.save_changes(); }, 350);
    if (!alive || timer || (lit && aim.zoom <= shader.deepest)) return;
    timer = setTimeout(() => { timer = null; send("look", aim); }, 60);
  }
  function magnify(factor, u = 0, v = 0) {
    const zoom = Math.min(most, Math.max(least, aim.zoom * factor));
    const [hx, hy] = half(aim.zoom), [gx, gy] = half(zoom);
    move({ x: aim.x + u * (hx - gx), y: aim.y + v * (hy - gy), zoom });
  }
  function touch(canvas) {
    const hands = new Map();
    let from = null;
    const begin = () => {
      const at = [...hands.values()];
      const middle = [0, 1].map((k) => at.reduce((sum, p) => sum + p[k], 0) / at.length);
      from = at.length && { middle, spread: at.length > 1 ? Math.hypot(at[0][0] - at[1][0], at[0][1] - at[1][1]) : 0, aim };
    };
    canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); hands.set(e.pointerId, [e.clientX, e.clientY]); begin(); };
    canvas.onpointermove = (e) => {
      if (!hands.has(e.pointerId) || !from) return;
      hands.set(e.pointerId, [e.clientX, e.clientY]);
      const at = [...hands.values()], box = canvas.getBoundingClientRect();
      const middle = [0, 1].map((k) => at.reduce((sum, p) => sum + p[k], 0) / at.length);
      const grown = from.spread ? Math.hypot(at[0][0] - at[1][0], at[0][1] - at[1][1]) / from.spread : 1;
      const zoom = Math.min(most, Math.max(least, from.aim.zoom * grown)), [hx, hy] = half(from.aim.zoom), [gx, gy] = half(zoom);
      const [u, v] = [(from.middle[0] - box.left) / box.width, (from.middle[1] - box.top) / box.height].map((w) => 2 * w - 1);
      const [s, t] = [(middle[0] - box.left) / box.width, (middle[1] - box.top) / box.height].map((w) => 2 * w - 1);
      move({ x: from.aim.x + u * hx - s * gx, y: from.aim.y + v * hy - t * gy, zoom });
    };
    canvas.onpointerup = canvas.onpointercancel = (e) => { hands.delete(e.pointerId); begin(); };
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const box = canvas.getBoundingClientRect(), notch = Math.max(-120, Math.min(120, e.deltaMode ? e.deltaY * 40 : e.deltaY));
      magnify(Math.exp(-notch / 700), ((e.clientX - box.left) / box.width) * 2 - 1, ((e.clientY - box.top) / box.height) * 2 - 1);
    }, { passive: false });
    canvas.onkeydown = (e) => {
      const [hx, hy] = half(aim.zoom);
      const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[e.key];
      if (step) move({ ...aim, x: aim.x + step[0] * hx, y: aim.y + step[1] * hy });
      else if (e.key === "+" || e.key === "=") magnify(1.25);
      else if (e.key === "-") magnify(0.8);
      else if (e.key === "0") reset.onclick();
      else return;
      e.preventDefault();
    };
  }
  nearer.onclick = () => magnify(1.5);
  farther.onclick = () => magnify(1 / 1.5);
  reset.onclick = () => move({ x: 0, y: 0, zoom: 1 });
  full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  full.hidden = !document.fullscreenEnabled;

  async function refresh() {
    const { header, pictures } = unpack(model.get("frame"));
    root.dataset.state = header.views ? (header.live ? "live" : "poster") : "empty";
    if (!header.views) return;
    alive = Boolean(header.live);
    const mine = ++newest;
    const decoded = await Promise.all(header.views.map(({ name }) => decode(pictures[name])));
    if (mine !== newest) return;
    if (canvases.length !== header.views.length) {
      canvases = header.views.map(({ label }) => element("canvas", { role: "img", "aria-label": label, tabindex: "0" }));
      views.replaceChildren(...header.views.map(({ label }, i) => element("figure", {}, element("div", { class: "framed" }, canvases[i]), element("figcaption", { text: label }))));
      views.lastChild.firstChild.append(map);
      canvases.forEach(touch);
      aim = { ...header.window };
    }
    aspect = header.aspect;
    if (header.moved) aim = { ...header.window };
    bitmaps.forEach((bitmap) => bitmap !== whole && bitmap !== spare && bitmap.close());
    const numbers = pictures.numbers;
    shader = header.shader ? { ...header.shader, numbers: new Float32Array(numbers.slice().buffer) } : null;
    lit = false;
    bitmaps = decoded;
    shown = { ...header.window };
    const before = whole;
    if (shown.zoom === 1 && !shown.x && !shown.y) whole = decoded[0];
    else if (header.moved) whole = null;
    if (before && before !== whole) before.close();
    if (whole) { map.width = Math.round(72 * Math.min(1, aspect)); map.height = Math.round(72 / Math.max(1, aspect)); }
    canvases.forEach((canvas, i) => {
      canvas.width = decoded[i].width;
      canvas.height = decoded[i].height;
      views.children[i].querySelector("figcaption").textContent = header.views[i].label;
    });
    paint();
  }
  const forget = listen(model, { "change:frame": refresh });
  refresh();
  return () => { forget(); told.forget(); cancelAnimationFrame(frame); clearTimeout(timer); clearTimeout(lifted); };
}

export default { render };
