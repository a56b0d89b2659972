// The live canvas: transport bar, panels, curves, and the flow of small pictures below.

const WORDS = {
  new: "", queued: "Starting", running: "Running", paused: "Paused",
  finished: "Finished", stopped: "Stopped", failed: "Ended in an error",
};

function transportBar(send) {
  const button = (name, text, title) => element("button", { type: "button", class: name, title, "aria-label": title, text });
  const restart = button("restart", "⟲", "Start again");
  const play = button("play", "▶ Play", "Play");
  const step = button("step", "+1", "Single step");
  const slow = button("slow", "Slow", "Slow motion");
  const counter = element("span", { class: "counter", "aria-label": "Step", text: "0" });
  const total = element("span", { class: "total" });
  const clock = element("span", { class: "clock" });
  const state = element("span", { class: "state", role: "status" });
  const node = element("div", { class: "bar" }, restart, play, step, slow, counter, total, clock, state);
  slow.setAttribute("aria-pressed", "false");
  let running = false, verb = "Play", unit = "s of training";

  // What a scene says about its bar.
  function dress(header) {
    verb = header.verb ?? verb;
    unit = header.clock ?? unit;
    step.hidden = slow.hidden = Boolean(header.brief);
    node.hidden = Boolean(header.frozen);
    show(running);
  }
  function show(isRunning) {
    running = isRunning;
    play.textContent = running ? "❚❚ Pause" : `▶ ${verb}`;
    play.title = running ? "Pause" : verb;
    play.setAttribute("aria-label", play.title);
  }
  // The bar answers before the kernel does; the kernel's word then stands.
  restart.onclick = () => { show(true); send("restart"); };
  play.onclick = () => { send(running ? "pause" : "play"); show(!running); };
  step.onclick = () => { show(false); send("step"); };
  slow.onclick = () => {
    const on = slow.getAttribute("aria-pressed") !== "true";
    slow.setAttribute("aria-pressed", String(on));
    send("slow", on);
  };

  function update(header) {
    const holding = header.holding && header.state === "running";
    show(!holding && (header.state === "running" || header.state === "queued"));
    slow.setAttribute("aria-pressed", String(Boolean(header.slow)));
    counter.textContent = (header.step ?? 0).toLocaleString("en");
    total.textContent = header.total ?? "";
    clock.textContent = header.seconds == null ? "" : `${header.seconds.toFixed(1)} ${unit}`;
    const word = header.place > 0 ? `Number ${header.place} in the queue` : holding ? "Pausing" : WORDS[header.state];
    state.textContent = state.title = [word, header.note].filter(Boolean).join(" · ");
  }
  return { node, update, dress };
}

// Curves on a scale of their own: the ends of the scale stand beside it, the newest value above it.
// A chart shows one curve, or several by name: lines = [{label, x, y}, …].
function chart(spec) {
  const value = element("span", { class: "value", text: "–" });
  const canvas = element("canvas", { role: "img", "aria-label": `${spec.label} over ${spec.over}` });
  const head = element("div", { class: "head" }, element("span", { text: spec.label }), value);
  const legend = element("div", { class: "legend" });
  const node = element("figure", {}, head, canvas, legend);
  const number = (y) => (spec.log ? y.toExponential(1) : y.toFixed(spec.digits));
  let lines = [];

  function draw() {
    const width = canvas.clientWidth, height = spec.height, ratio = window.devicePixelRatio || 1;
    if (!width) return;
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const c = canvas.getContext("2d"), css = getComputedStyle(canvas);
    const colour = (name) => resolve(canvas, css.getPropertyValue(name));
    const left = 40, right = width - 2, top = 8, bottom = height - 16;
    c.scale(ratio, ratio);
    c.font = "10px system-ui, sans-serif";
    c.strokeStyle = colour("--line");
    c.beginPath(); c.moveTo(left + 0.5, top); c.lineTo(left + 0.5, bottom + 0.5); c.lineTo(right, bottom + 0.5); c.stroke();
    const drawn = lines.map(({ x, y }) => x.map((v, i) => [v, y[i]]).filter(([, v]) => v != null && (!spec.log || v > 0)));
    const all = drawn.flat();
    if (!all.length) return;
    const scale = spec.log ? Math.log : (y) => y;
    const ys = all.map(([, y]) => y), low = Math.min(...ys), high = Math.max(...ys);
    const last = Math.max(...all.map(([x]) => x)), span = scale(high) - scale(low) || 1;
    const px = (x) => left + (x / (last || 1)) * (right - left);
    const py = (y) => bottom - 3 - ((scale(y) - scale(low)) / span) * (bottom - top - 6);
    c.lineWidth = 1.8;
    c.lineJoin = "round";
    drawn.forEach((pairs, i) => {
      c.strokeStyle = colour(`--series-${i % 4}`);
      c.beginPath();
      pairs.forEach(([x, y], k) => (k ? c.lineTo(px(x), py(y)) : c.moveTo(px(x), py(y))));
      c.stroke();
    });
    c.fillStyle = colour("--soft");
    c.textAlign = "right";
    if (high > low) c.fillText(number(high), left - 4, top + 8);
    c.fillText(number(low), left - 4, bottom);
    c.fillText(`${last.toLocaleString("en", { maximumFractionDigits: 1 })} ${spec.over}`, right, height - 3);
  }
  function update(next) {
    lines = next;
    const now = spec.newest ? lines[0]?.y.at(-1) : null;
    value.textContent = now == null ? (spec.newest ? "–" : "\u00a0")
      : (spec.log ? now.toExponential(2) : now.toFixed(spec.digits)) + (spec.unit ? ` ${spec.unit}` : "");
    if (lines.length > 1) {
      legend.replaceChildren(...lines.map(({ label }, i) =>
        element("span", { style: `--mark: var(--series-${i % 4})`, text: label })));
    }
    draw();
  }
  return { node, update, draw };
}

// A colour as a canvas understands it: light-dark() and variables are resolved by the element.
function resolve(node, colour) {
  node.style.color = colour;
  const found = getComputedStyle(node).color;
  node.style.color = "";
  return found;
}

function picture(label) {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const caption = element("figcaption", { text: label });
  const node = element("figure", {}, canvas, caption);
  let newest = 0;
  async function update(bytes) {
    const mine = ++newest;
    const bitmap = await decode(bytes);
    if (mine !== newest) return;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.style.setProperty("--shape", bitmap.width / bitmap.height);
    }
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
  }
  return { node, update, caption, canvas };
}

function render({ model, el }) {
  const send = sender(model);
  const bar = transportBar(send);
  const problem = element("div", { class: "problem", role: "alert", hidden: "" });
  const panels = element("div", { class: "panels" });
  const charts = element("div", { class: "charts" });
  const flow = element("div", { class: "flow", tabindex: "0", "aria-label": "What flows where" });
  const root = element("div", { class: "atelier live" }, bar.node, problem, panels, charts, flow);
  el.replaceChildren(root);
  let pictures = {}, curves = {}, state = null;
  const resting = (word) => word !== "running" && word !== "queued";

  function paint(found) {
    for (const [name, bytes] of Object.entries(found)) pictures[name]?.update(bytes);
  }
  function build() {
    const { header, pictures: still } = unpack(model.get("scene"));
    pictures = {};
    curves = {};
    panels.replaceChildren();
    charts.replaceChildren();
    flow.replaceChildren();
    bar.dress(header);
    for (const { name, label, aspect } of header.panels ?? []) {
      pictures[name] = picture(label);
      pictures[name].canvas.style.aspectRatio = aspect;
      pictures[name].canvas.style.maxHeight = `${header.height}px`;
      if (header.brief) pictures[name].canvas.style.maxWidth = `${Math.round(header.height * aspect)}px`;
      panels.append(pictures[name].node);
    }
    for (const spec of header.curves ?? []) {
      curves[spec.name] = chart(spec);
      charts.append(curves[spec.name].node);
    }
    (header.flow ?? []).forEach(({ name, label }, i) => {
      if (i) flow.append(element("span", { class: "arrow", "aria-hidden": "true", text: "→" }));
      pictures[name] = picture(label);
      flow.append(pictures[name].node);
    });
    paint(still);
  }
  function refresh() {
    const { header, pictures: moving } = unpack(model.get("frame"));
    bar.update(header);
    if (state !== null && header.state !== state && resting(header.state)) {
      model.set("settled", model.get("settled") + 1);
      model.save_changes();
    }
    state = header.state;
    problem.hidden = !header.error;
    problem.textContent = header.error ?? "";
    for (const [name, curve] of Object.entries(curves)) curve.update(header.curves?.[name] ?? []);
    for (const [name, label] of Object.entries(header.labels ?? {})) {
      if (pictures[name]) pictures[name].caption.textContent = label;
    }
    paint(moving);
  }
  const redraw = () => Object.values(curves).forEach((curve) => curve.draw());
  const resized = new ResizeObserver(redraw);
  resized.observe(root);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  const forget = listen(model, { "change:scene": () => { build(); refresh(); }, "change:frame": refresh });
  build();
  refresh();
  send("hello");
  return () => {
    forget();
    resized.disconnect();
    scheme.removeEventListener("change", redraw);
  };
}

export default { render };
