// A window on the plane, shown in one or several views, see gestures.js. A view that came with its shader is drawn here,
// on the reader's graphics processor, at every move and whenever new weights come. Else, and deeper than a shader can
// tell points apart, its last picture follows the hand, stretched, and the exact one replaces it when Python has drawn it.

const SLOW = "This field is slow to draw here";
const GRAPHICS = ["webglcontextlost", "webglcontextrestored"];
// A shader that would have to draw smaller than this, while the hand moves or when it rests, is left to Python, if there is one.
const LEAST_MOVING = 0.33, LEAST_RESTING = 0.7;

function render({ model, el }) {
  const send = sender(model);
  const { least, most, spans } = model.get("options");
  const row = element("div", { class: "views" });
  const nearer = button("+", named("Zoom in")), farther = button("−", named("Zoom out"));
  const reset = button("Reset", named("Reset the view")), full = button("Full screen");
  const zoomed = element("span", { class: "zoomed", role: "status" });
  const map = element("canvas", { class: "map", "aria-hidden": "true", width: "72", height: "72" });
  const bar = element("div", { class: "bar" }, nearer, farther, reset, full, zoomed);
  const told = problemLine(model);
  const root = element("div", { class: "atelier viewer" }, row, bar, told.node);
  el.replaceChildren(root);
  // A view has its canvas, its newest picture {image, window, exact}, and its shader; `lit` is the window that the shader
  // has drawn, null if the picture is shown.
  let views = [], aim = { x: 0, y: 0, zoom: 1 }, aspect = 1, size = [1, 1];
  let whole = null;  // the first view at zoom 1, for the map
  let alive = false, learning = false;  // whether Python answers, and whether it draws a network that still learns
  let seen = false, stale = false, able = null;  // on screen or not, to be drawn when it is, what Python was told of both
  let weighed = null, graphics = null;  // the newest weights, the canvas of the painter
  let newest = 0, asked = null, lifted = null, rested = null, frame = 0, begun = 0, rate = 0;
  const again = () => setTimeout(paint);  // the graphics were lost or have come back, and the painter knows

  const half = (zoom) => {
    const unit = spans === "longer" ? Math.max(aspect, 1) : Math.min(aspect, 1);
    return [aspect / unit / zoom, 1 / unit / zoom];
  };
  const same = (a, b) => a.x === b.x && a.y === b.y && a.zoom === b.zoom;
  const own = () => views.some(({ shader }) => shader);

  // Draw by the shader, while the hand moves with fewer pixels if that is slow: true, or a sentence on what is in the way.
  function shade(view, moving) {
    const { shader, canvas, picture } = view;
    if (!shader || aim.zoom > shader.deepest) return "";
    if (performance.now() < view.slow) return SLOW;
    // Where a processor draws, the picture by Python stays, and a network that learns is left to Python.
    if (painter().software && (learning || (!view.lit && picture?.exact && same(picture.window, aim)))) return "";
    const dots = Math.min(devicePixelRatio, painter().software ? 1 : 3), wide = (canvas.clientWidth || size[0]) * dots;
    let scale = painter().scale(shader, (wide * wide) / aspect, (moving ? MOVING_MS : RESTING_MS) / views.length);
    if (!alive) scale = moving ? Math.max(0.1, scale) : 1;  // slow, but nobody else can draw
    else if (scale < (moving ? LEAST_MOVING : LEAST_RESTING)) {
      view.slow = performance.now() + FORGOTTEN_MS;
      return SLOW;
    }
    const across = Math.max(1, Math.round(wide * scale)), down = Math.max(1, Math.round((wide * scale) / aspect));
    if (!painter().draw(shader, { x: aim.x, y: aim.y, halfPixel: half(aim.zoom)[0] / across }, across, down)) return painter().reason;
    resize(canvas, across, down);
    canvas.getContext("2d").drawImage(painter().canvas, 0, 0);
    view.lit = { ...aim };
    return true;
  }
  // Show the last picture, moved to where it belongs.
  function stretch(view) {
    const { canvas } = view;
    if (view.lit) {
      const image = element("canvas", { width: canvas.width, height: canvas.height });
      image.getContext("2d").drawImage(canvas, 0, 0);
      hang(view, { image, window: view.lit });
      view.lit = null;
    }
    if (!view.picture) return;
    const { image, window } = view.picture, [hx, hy] = half(aim.zoom), [px, py] = half(window.zoom);
    resize(canvas, image.width, image.height);
    const c = canvas.getContext("2d"), ratio = aim.zoom / window.zoom;
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.drawImage(image, (0.5 + (window.x - px - aim.x) / (2 * hx)) * canvas.width, (0.5 + (window.y - py - aim.y) / (2 * hy)) * canvas.height,
      canvas.width * ratio, canvas.height * ratio);
  }
  // Give a view another picture {image, window, exact}, or none.
  function hang(view, picture) {
    const old = view.picture?.image;
    view.picture = picture;
    release(old);
  }
  // Show another picture on the map, or none.
  function survey(image) {
    const old = whole;
    whole = image;
    release(old);
  }
  function release(image) {
    if (image && image !== whole && !views.some(({ picture }) => picture?.image === image)) image.close?.();
  }
  function paint(moving = false) {
    if (!views.length) return;
    const found = views.map((view) => shade(view, moving));
    found.forEach((done, i) => done === true || stretch(views[i]));
    const drawn = found.every((done) => done === true), unable = found.find((done) => done !== true && done) ?? "";
    root.dataset.drawn = drawn ? "shader" : "python";
    const now = performance.now();
    const instant = 1000 / (now - begun);
    rate = moving && instant > 1 ? (rate ? 0.8 * rate + 0.2 * instant : instant) : 0;
    begun = now;
    const how = unable ? (alive ? "drawn by Python" : "a still picture")
      : !drawn ? "" : rate ? `${Math.round(rate)} frames/s` : painter().software ? "" : "drawn by your graphics processor";
    zoomed.title = unable && `${unable}.`;
    zoomed.textContent = `zoom ${aim.zoom < 10 ? +aim.zoom.toPrecision(2) : aim.zoom < 1e6 ? Math.round(aim.zoom).toLocaleString("en") : aim.zoom.toExponential(1)}×${how && ` · ${how}`}`;
    overview();
    if (own()) announce(!unable && !painter().software);
    if (!drawn) ask();
  }
  function overview() {
    const away = aim.zoom > 1.2 || aim.x || aim.y, [first] = views;
    if (!whole && away && first.lit) {
      whole = element("canvas", { width: map.width, height: map.height });
      if (!painter().draw(first.shader, { x: 0, y: 0, halfPixel: half(1)[0] / map.width }, map.width, map.height)) whole = null;
      else whole.getContext("2d").drawImage(painter().canvas, 0, 0);
    }
    map.style.visibility = whole && away ? "visible" : "hidden";
    if (!whole || !away) return;
    const c = map.getContext("2d"), [wx, wy] = half(1), [hx, hy] = half(aim.zoom);
    c.clearRect(0, 0, map.width, map.height);
    c.drawImage(whole, 0, 0, map.width, map.height);
    c.strokeStyle = "#fff"; c.lineWidth = 1.5; c.shadowColor = "#000"; c.shadowBlur = 2;
    const w = Math.max(5, (hx / wx) * map.width), h = Math.max(5, (hy / wy) * map.height);
    c.strokeRect((aim.x / wx / 2 + 0.5) * map.width - w / 2, (aim.y / wy / 2 + 0.5) * map.height - h / 2, w, h);
  }
  // Python hears whether the page draws by itself, and whether anybody sees it.
  function announce(draws) {
    const next = { draws, seen };
    if (able && able.draws === next.draws && able.seen === next.seen) return;
    able = next;
    send("able", able);
  }
  // Ask for the exact picture of the window, unless it is there.
  function ask() {
    const there = ({ picture, lit }) => (lit ? same(lit, aim) : picture?.exact && same(picture.window, aim));
    if (!alive || asked || views.every(there)) return;
    asked = setTimeout(() => { asked = null; send("look", aim); }, 60);
  }
  function soon() {
    frame ||= requestAnimationFrame(() => { frame = 0; paint(true); });
    clearTimeout(rested);
    rested = setTimeout(() => paint(), 350);
  }
  function move(next) {
    aim = next;
    if (own()) soon();
    else paint();
    clearTimeout(lifted);
    lifted = setTimeout(lift, 350);
  }
  function lift() {
    clearTimeout(lifted);
    model.set("window", { ...aim });
    model.save_changes();
  }
  const { magnify, hold } = gestures({ at: () => aim, half, move, home: () => reset.onclick(), least, most });
  nearer.onclick = () => magnify(1.5);
  farther.onclick = () => magnify(1 / 1.5);
  reset.onclick = () => { move({ x: 0, y: 0, zoom: 1 }); lift(); };
  full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  full.hidden = !document.fullscreenEnabled;

  function build(count) {
    views.forEach((view) => hang(view, null));
    views = Array.from({ length: count }, () => ({
      canvas: element("canvas", { class: "field", role: "img", tabindex: "0" }), caption: element("figcaption"),
      picture: null, shader: null, lit: null, slow: 0,
    }));
    row.replaceChildren(...views.map(({ canvas, caption }) => element("figure", {}, element("div", { class: "framed" }, canvas), caption)));
    row.lastChild.firstChild.append(map);
    views.forEach(({ canvas }) => hold(canvas));
  }
  // Take the numbers of shaders, whose code is known; what a message leaves out stays as it is.
  function weigh(message) {
    if (message === weighed) return;
    weighed = message;
    const words = model.get("shaders"), { pictures } = unpack(message);
    views.forEach((view, k) => {
      const numbers = pictures[`${k} numbers`];
      if (!words[k]) view.shader = null;
      if (!words[k] || !numbers) return;
      view.id ??= painter().name();
      view.shader = shaderOf(words[k], numbers, pictures[`${k} table`], view.id);
      hang(view, null);
    });
    if (own() && !graphics) {
      graphics = painter().canvas;
      for (const event of GRAPHICS) graphics.addEventListener(event, again);
    }
  }
  async function refresh() {
    const { header, pictures } = unpack(model.get("frame"));
    root.dataset.state = header.views ? (header.live ? "live" : "poster") : "empty";
    if (!header.views) return;
    const mine = ++newest;
    const images = await Promise.all(header.views.map(({ name }) => pictures[name] && decode(pictures[name])));
    if (mine !== newest) return images.forEach((image) => image?.close());
    alive = Boolean(header.live);
    learning = Boolean(header.learning);
    const first = views.length !== header.views.length;
    if (first) build(header.views.length);
    header.views.forEach(({ label }, i) => {
      views[i].canvas.setAttribute("aria-label", label);
      views[i].caption.textContent = label;
    });
    aspect = header.aspect;
    size = header.size ?? [images[0].width, images[0].height];
    if (first || header.moved) aim = { ...header.window };
    if (!learning) weigh(model.get("weights"));
    views.forEach((view, i) => {
      const { style } = view.canvas;
      style.setProperty("--wide", `${size[0]}px`);
      style.setProperty("--shape", aspect);
      view.lit = null;
      hang(view, images[i] ? { image: images[i], window: { ...header.window }, exact: true } : null);
    });
    if (same(header.window, { x: 0, y: 0, zoom: 1 })) survey(images[0] ?? null);
    else if (header.moved || !images[0]) survey(null);
    map.width = Math.round(72 * Math.min(1, aspect)); map.height = Math.round(72 / Math.max(1, aspect));
    stale = !seen && own() && !painter().software;
    if (!stale) paint();
  }
  // Weights of a network that still learns.
  const hear = (message, buffers) => {
    if (!message?.weights || !buffers?.length || !views.length) return;
    weigh(buffers[0]);
    survey(null);
    if (seen) soon();
  };
  const forget = listen(model, { "msg:custom": hear, "change:frame": refresh });
  const blind = sight(root, (now) => {
    seen = now;
    announce(Boolean(able?.draws));
    if (seen && stale) { stale = false; paint(); }
  });
  const sized = new ResizeObserver(() => own() && views.some(({ lit }) => lit) && soon());
  sized.observe(row);
  refresh();
  return () => {
    forget(); told.forget(); blind(); sized.disconnect();
    for (const event of GRAPHICS) graphics?.removeEventListener(event, again);
    cancelAnimationFrame(frame);
    [asked, lifted, rested].forEach(clearTimeout);
  };
}

export default { render };
