// The live canvas: transport bar, panels, a slider that goes back in time, curves, and the flow of small pictures below.

const WORDS = {
  new: "", queued: "Starting", running: "Running", paused: "Paused",
  finished: "Finished", stopped: "Stopped", failed: "Ended in an error", missing: "",
};

function transportBar(send) {
  const restart = button("⟲", named("Start again"));
  const play = button("", { class: "play" });
  const step = button("+1", named("Single step"));
  const slow = button("Slow", named("Slow motion"));
  const counter = element("span", { class: "counter", "aria-label": "Step", text: "0" });
  const total = element("span", { class: "total" });
  const clock = element("span", { class: "clock" });
  const state = element("span", { class: "state", role: "status" });
  const node = element("div", { class: "bar" }, restart, play, step, slow, counter, total, clock, state);
  slow.setAttribute("aria-pressed", "false");
  let running = false, scene = {};

  // What a scene says about its bar.
  function dress(header) {
    scene = header;
    step.hidden = slow.hidden = scene.brief;
    node.hidden = Boolean(scene.frozen);
    show(running);
  }
  function show(isRunning) {
    running = isRunning;
    play.textContent = running ? "❚❚ Pause" : `▶ ${scene.verb}`;
    play.title = running ? "Pause" : scene.verb;
    play.setAttribute("aria-label", play.title);
  }
  // The bar answers at once; what the kernel says then corrects it.
  restart.onclick = () => { show(true); send("restart"); };
  play.onclick = () => { send(running ? "pause" : "play"); show(!running); };
  step.onclick = () => { show(false); send("step"); };
  slow.onclick = () => {
    const on = slow.getAttribute("aria-pressed") !== "true";
    slow.setAttribute("aria-pressed", String(on));
    send("slow", on);
  };

  const count = (step) => { counter.textContent = step.toLocaleString("en"); };
  function update(header) {
    const holding = header.holding && header.state === "running";
    show(!holding && (header.state === "running" || header.state === "queued"));
    slow.setAttribute("aria-pressed", String(Boolean(header.slow)));
    count(header.step ?? 0);
    counter.hidden = scene.brief && !header.step;
    total.textContent = header.total ?? "";
    clock.textContent = header.seconds == null ? "" : `${header.seconds.toFixed(1)} ${scene.clock}`;
    const word = header.place > 0 ? `Number ${header.place} in the queue` : holding ? "Pausing" : WORDS[header.state];
    const again = header.state === "paused" ? "⟲" : "▶";
    const waits = header.waiting && !running ? `${again} begins with what you changed` : "";
    const note = waits || ["failed", "missing", "stopped"].includes(header.state) ? "" : header.note;  // such as the time left
    state.textContent = state.title = [word, waits, note].filter(Boolean).join(" · ");
  }
  return { node, update, dress, count };
}

function picture(name) {
  const canvas = element("canvas", { role: "img", "aria-label": name });
  const caption = element("figcaption", { text: name });
  const node = element("figure", {}, canvas, caption);
  let newest = 0;
  async function update(bytes) {
    const mine = ++newest;
    const bitmap = await decode(bytes);
    if (mine !== newest) return bitmap.close();
    canvas.style.setProperty("--shape", bitmap.width / bitmap.height);
    put(canvas, bitmap);
  }
  return { node, update, caption, canvas };
}

function render({ model, el }) {
  const send = sender(model);
  const bar = transportBar(send);
  const told = problemLine(model);
  const problem = element("div", { class: "problem", role: "alert", hidden: "" });
  const panels = element("div", { class: "panels" });
  const slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "Go back in time" });
  const moment = element("span", { class: "word" });
  const replay = element("div", { class: "replay" }, element("span", { text: "Go back" }), slider, moment);
  const charts = element("div", { class: "charts" });
  const flow = element("div", { class: "flow", tabindex: "0", "aria-label": "What flows where" });
  const root = element("div", { class: "atelier live" }, bar.node, problem, told.node, panels, replay, charts, flow);
  el.replaceChildren(root);
  let pictures = {}, curves = {}, state = null, waited = false, moments = [], frozen = false;
  const resting = (word) => word !== "running" && word !== "queued";

  function paint(found) {
    for (const [name, bytes] of Object.entries(found)) pictures[name]?.update(bytes);
  }
  function caption(captions) {
    for (const [name, label] of Object.entries(captions ?? {})) if (pictures[name]) pictures[name].caption.textContent = label;
  }
  function build() {
    const header = model.get("scene");
    [panels, charts, flow].forEach((node) => node.replaceChildren());
    [pictures, curves, frozen] = [{}, {}, Boolean(header.frozen)];
    bar.dress(header);
    for (const { name, aspect } of header.panels ?? []) {
      const { node, canvas } = (pictures[name] = picture(name));
      canvas.style.aspectRatio = aspect;
      canvas.style.maxHeight = `${header.height}px`;
      if (header.brief) canvas.style.maxWidth = `${Math.round(header.height * aspect)}px`;
      node.style.setProperty("--shape", aspect);
      panels.append(node);
    }
    for (const spec of header.charts ?? []) {
      curves[spec.name] = chart(spec);
      charts.append(curves[spec.name].node);
    }
    (header.flow ?? []).forEach(({ name }, i) => {
      if (i) flow.append(element("span", { class: "arrow", "aria-hidden": "true", text: "→" }));
      pictures[`flow ${name}`] = picture(name);
      flow.append(pictures[`flow ${name}`].node);
    });
    for (const node of [panels, charts, flow]) node.hidden = !node.children.length;
  }
  function refresh() {
    const { header, pictures: moving } = unpack(model.get("frame"));
    root.dataset.state = header.live ? "live" : "poster";
    root.dataset.run = header.state;
    root.classList.toggle("left", Boolean(header.left));
    bar.node.inert = !header.live;
    bar.update(header);
    bar.node.classList.toggle("still", Boolean(header.still));
    const begun = waited && !header.waiting;  // another run than the one that the cells know
    waited = Boolean(header.waiting);
    if (header.live && (begun || (state !== null && header.state !== state && resting(header.state)))) {
      model.set("settled", model.get("settled") + 1);
      model.save_changes();
    }
    state = header.state;
    problem.hidden = !header.error;
    problem.textContent = header.error ?? "";
    for (const [name, curve] of Object.entries(curves)) curve.update(header.charts?.[name] ?? []);
    caption(header.captions);
    paint(moving);
    if (!resting(header.state)) hide();
  }
  // Moments of the run that is at rest. The last one is the picture as it stands, which is exact.
  function hide() { replay.style.visibility = "hidden"; Object.values(curves).forEach((curve) => curve.at(null)); }
  function remember() {
    const { header, pictures: kept } = unpack(model.get("record"));
    moments = (header.moments ?? []).map((moment, k) => ({
      ...moment,
      kept: Object.fromEntries(Object.entries(kept).filter(([name]) => name.startsWith(`${k} `)).map(([name, bytes]) => [name.slice(`${k} `.length), bytes])),
    }));
    slider.max = String(Math.max(0, moments.length - 1));
    slider.value = slider.max;
    replay.hidden = frozen && moments.length < 2;
    replay.style.visibility = moments.length > 1 ? "visible" : "hidden";
    moment.textContent = "";
    if (moments.length) describe(moments.length - 1);
  }
  function describe(k) {
    const { step, total, captions } = moments[k];
    moment.textContent = frozen && total ? total : `step ${step.toLocaleString("en")}`;
    caption(captions);
  }
  slider.oninput = () => {
    const k = Number(slider.value), last = k === moments.length - 1;
    describe(k);
    bar.count(moments[k].step);
    Object.values(curves).forEach((curve) => curve.at(last ? null : moments[k].step));
    paint(last ? { ...moments[k].kept, ...unpack(model.get("frame")).pictures } : moments[k].kept);
  };
  const unwatch = redrawn(root, () => Object.values(curves));
  const forget = listen(model, { "change:scene": () => { build(); refresh(); }, "change:frame": refresh, "change:record": remember });
  // A page that goes away, or is loaded anew, gives its processor to others; if it comes back, the run goes on.
  const leave = () => send("bye"), back = (event) => { if (event.persisted) send("hello"); };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", back);
  build();
  refresh();
  remember();
  send("hello");
  return () => {
    forget();
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", back);
    told.forget();
    unwatch();
  };
}

export default { render };
