// A loop: a picture for each t in [0, 1], drawn here by the shader of its field, whose numbers at t lie between those of
// two moments. Until these are here, and where a processor would have to draw the shader, Python draws one after another.

const FEWEST = 0.25, STILL_SIDE = 96;  // how much smaller a moving picture may be, its pixels where a processor draws it alone

function render({ model, el }) {
  const send = sender(model);
  const canvas = element("canvas", { role: "img", "aria-label": "The loop", width: "420", height: "420" });
  const play = button("", { class: "play" });
  const slider = element("input", { type: "range", min: "0", max: "1", step: "any", value: "0", "aria-label": "Place in the loop" });
  const told = element("span", { class: "told", role: "status" });
  const bar = element("div", { class: "bar" }, play, slider, told);
  const problem = problemLine(model);
  const root = element("div", { class: "atelier loop" }, canvas, bar, problem.node);
  el.replaceChildren(root);
  let header = {}, moments = null, words = null, playing = false, seen = false, waits = false, wanted = false;
  let t = 0, before = 0, frame = 0, rate = 0, newest = 0;
  const id = painter().name(), able = () => Boolean(painter().canvas && !painter().reason);
  const here = () => moments && able() && !(header.live && painter().software);

  // The shader as it is at t, and where it looks.
  function mixed() {
    const at = t * (moments.length - 1), k = Math.min(Math.floor(at), moments.length - 2), u = at - k;
    const [a, b] = [moments[k], moments[k + 1]], mix = (p, q) => p + u * (q - p);
    const numbers = a.numbers === b.numbers ? a.numbers : a.numbers.map((value, i) => mix(value, b.numbers[i]));
    const view = { x: mix(a.x, b.x), y: mix(a.y, b.y), zoom: a.zoom ** (1 - u) * b.zoom ** u };
    return [{ ...words, numbers, id }, view];
  }
  function shade() {
    const [shader, { x, y, zoom }] = mixed(), wide = canvas.clientWidth * Math.min(devicePixelRatio, 2);
    let across = STILL_SIDE;
    if (!painter().software) across = Math.round(wide * Math.max(FEWEST, playing ? painter().scale(shader, wide * wide, MOVING_MS) : 1));
    if (!painter().draw(shader, { x, y, halfPixel: 1 / (zoom * across) }, across, across, false)) return;
    resize(canvas, across, across);
    canvas.getContext("2d").drawImage(painter().canvas, 0, 0);
    root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
  }
  // Show the picture at t: at once, or as soon as Python has drawn it.
  function show() {
    slider.value = t;
    if (here()) shade();
    else if (header.live) {
      if (!waits) send("at", { t, moving: playing });
      waits = true;
    }
    const pace = playing && rate > 1 ? ` · ${Math.round(rate)} frames/s` : "";
    told.textContent = `${(t * header.seconds).toFixed(1)} of ${header.seconds.toFixed(1)} s${pace}`;
  }
  function ask() {
    if (!header.live || wanted || painter().software || !able()) return;
    wanted = true;
    send("moments");
  }
  function go(now) {
    frame = 0;
    if (!playing || !seen) return;
    const passed = before ? (now - before) / 1000 : 0;
    before = now;
    t = (t + passed / header.seconds) % 1;
    if (here() && passed) rate = rate ? 0.9 * rate + 0.1 / passed : 1 / passed;
    show();
    frame = requestAnimationFrame(go);
  }
  function set(on) {
    playing = on;
    before = rate = 0;
    waits = false;
    play.textContent = playing ? "❚❚ Pause" : "▶ Play the loop";
    if (playing) { ask(); frame ||= requestAnimationFrame(go); }
  }
  play.onclick = () => {
    set(!playing);
    if (playing) return;
    show();
    if (here() && header.live) send("at", { t });  // Python has the last word on a picture that stands still
  };
  slider.oninput = () => { set(false); ask(); t = Number(slider.value); show(); };

  async function refresh() {
    const { header: next, pictures } = unpack(model.get("frame"));
    if (!pictures.picture) return;
    const mine = ++newest, bitmap = await decode(pictures.picture);
    waits = false;
    if (mine !== newest) return bitmap.close();
    const other = next.count !== header.count;
    header = next;
    if (other) { wanted = false; t = playing ? t : header.t; remember(); if (playing) ask(); }
    if (playing && here()) bitmap.close();
    else put(canvas, bitmap);
    bar.inert = false;
    bar.hidden = !header.live && !here();
    told.textContent ||= `${header.seconds.toFixed(1)} s`;
  }
  function remember() {
    const { header: about, pictures } = unpack(model.get("moments"));
    moments = null;
    if (about.count !== header.count || !about.words || about.windows.some(({ zoom }) => zoom > about.words.deepest)) return;
    const shader = shaderOf(about.words, pictures["0"], pictures.table ?? new Uint8Array());
    let numbers = shader.numbers;
    words = shader;
    moments = about.windows.map((window, k) => {
      if (pictures[k]) numbers = new Float32Array(pictures[k].slice().buffer);
      return { ...window, numbers };
    });
    bar.hidden = !header.live && !here();
  }
  const blind = sight(root, (now) => {
    seen = now;
    send("seen", seen);
    before = 0;
    if (seen && playing) frame ||= requestAnimationFrame(go);
  });
  const forget = listen(model, { "change:frame": refresh, "change:moments": remember });
  bar.inert = true;  // until there is a loop
  set(false);
  refresh();
  return () => { forget(); problem.forget(); blind(); cancelAnimationFrame(frame); };
}

export default { render };
