// A window on the plane, shown in one or several views: drag moves it, the wheel magnifies at the pointer.
// The last picture follows the hand at once, stretched; the exact one replaces it when the kernel has drawn it.

function render({ model, el }) {
  const send = sender(model);
  const [LEAST, MOST] = model.get("reach");
  const views = element("div", { class: "views" });
  const button = (title, text) => element("button", { type: "button", title, "aria-label": title, text });
  const nearer = button("Zoom in", "+"), farther = button("Zoom out", "−"), reset = button("Reset the view", "Reset");
  const zoomed = element("span", { class: "zoomed", role: "status" });
  const bar = element("div", { class: "bar" }, nearer, farther, reset, zoomed);
  el.replaceChildren(element("div", { class: "atelier viewer" }, views, bar));
  let aim = { x: 0, y: 0, zoom: 1 }, shown = { ...aim }, aspect = 1, canvases = [], bitmaps = [], newest = 0, timer = null;

  const half = (zoom) => [aspect / Math.max(aspect, 1) / zoom, 1 / Math.max(aspect, 1) / zoom];

  function paint() {
    const [hx, hy] = half(aim.zoom);
    canvases.forEach((canvas, i) => {
      const bitmap = bitmaps[i];
      if (!bitmap) return;
      const c = canvas.getContext("2d"), ratio = aim.zoom / shown.zoom;
      c.clearRect(0, 0, canvas.width, canvas.height);
      const left = ((shown.x - half(shown.zoom)[0] - (aim.x - hx)) / (2 * hx)) * canvas.width;
      const top = ((shown.y - half(shown.zoom)[1] - (aim.y - hy)) / (2 * hy)) * canvas.height;
      c.drawImage(bitmap, left, top, canvas.width * ratio, canvas.height * ratio);
    });
    zoomed.textContent = `zoom ${aim.zoom < 10 ? +aim.zoom.toPrecision(2) : aim.zoom < 1e6 ? Math.round(aim.zoom).toLocaleString("en") : aim.zoom.toExponential(1)}×`;
  }
  function move(next) {
    aim = next;
    paint();
    if (timer) return;
    timer = setTimeout(() => { timer = null; send("look", aim); }, 60);
  }
  function magnify(factor, u = 0, v = 0) {
    const zoom = Math.min(MOST, Math.max(LEAST, aim.zoom * factor));
    const [hx, hy] = half(aim.zoom), [gx, gy] = half(zoom);
    move({ x: aim.x + u * (hx - gx), y: aim.y + v * (hy - gy), zoom });
  }
  function touch(canvas) {
    let from = null;
    canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); from = [e.clientX, e.clientY, aim]; };
    canvas.onpointermove = (e) => {
      if (!from) return;
      const [hx, hy] = half(aim.zoom), box = canvas.getBoundingClientRect();
      move({ ...aim, x: from[2].x - ((e.clientX - from[0]) / box.width) * 2 * hx,
                     y: from[2].y - ((e.clientY - from[1]) / box.height) * 2 * hy });
    };
    canvas.onpointerup = canvas.onpointercancel = () => { from = null; };
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const box = canvas.getBoundingClientRect();
      magnify(Math.exp(-e.deltaY / 400), ((e.clientX - box.left) / box.width) * 2 - 1, ((e.clientY - box.top) / box.height) * 2 - 1);
    }, { passive: false });
  }
  nearer.onclick = () => magnify(1.5);
  farther.onclick = () => magnify(1 / 1.5);
  reset.onclick = () => move({ x: 0, y: 0, zoom: 1 });

  async function refresh() {
    const { header, pictures } = unpack(model.get("frame"));
    if (!header.views) return;
    const mine = ++newest;
    const decoded = await Promise.all(header.views.map(({ name }) => decode(pictures[name])));
    if (mine !== newest) return;
    if (canvases.length !== header.views.length) {
      canvases = header.views.map(({ label }) => element("canvas", { role: "img", "aria-label": label }));
      views.replaceChildren(...header.views.map(({ label }, i) => element("figure", {}, canvases[i], element("figcaption", { text: label }))));
      canvases.forEach(touch);
      aim = { ...header.window };
    }
    aspect = header.aspect;
    if (header.moved) aim = { ...header.window };
    bitmaps.forEach((bitmap) => bitmap.close());
    bitmaps = decoded;
    shown = { ...header.window };
    canvases.forEach((canvas, i) => {
      canvas.width = decoded[i].width;
      canvas.height = decoded[i].height;
      views.children[i].querySelector("figcaption").textContent = header.views[i].label;
    });
    paint();
  }
  const forget = listen(model, { "change:frame": refresh });
  refresh();
  return () => { forget(); clearTimeout(timer); };
}

export default { render };
