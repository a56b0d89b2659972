// A volume (D, H, W, 4), marched through by a WebGL2 fragment shader as volumes/marching.py does it in torch, and three
// slices. Axes are x to the right, y downwards, z away from the viewer. Nothing is drawn unless something has changed.

const VERTEX = `#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0); }`;
const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D volume;
uniform sampler2D face;  // what the network has on the cut itself
uniform vec3 box, sides, right, down, forward, lamp, ground;
uniform vec2 size, range;
uniform vec4 cut;
uniform float zoom, eye, opacity, light, stride;
uniform bool maximum;
uniform int faced;  // the axis that the face lies across, -1: none
out vec4 shown;

vec2 beside(vec3 p) { return faced == 0 ? p.zy : faced == 1 ? p.xz : p.xy; }
float density(vec3 p) { return texture(volume, p).a; }
float windowed(float a) { return clamp((a - range.x) / (range.y - range.x), 0.0, 1.0); }
float shade(vec3 p) {  // Lambert's, where the density is not flat
  vec3 h = 1.0 / sides;
  vec3 g = 0.5 * vec3(density(p + vec3(h.x, 0, 0)) - density(p - vec3(h.x, 0, 0)),
                      density(p + vec3(0, h.y, 0)) - density(p - vec3(0, h.y, 0)),
                      density(p + vec3(0, 0, h.z)) - density(p - vec3(0, 0, h.z)));
  float steep = length(g);
  float facing = max(0.0, -dot(g, lamp) / (steep + 1e-6)) + 0.3;
  return 1.0 + (facing - 1.0) * steep / (steep + 2.0 / 255.0);
}
void main() {
  vec2 at = vec2(2.0 * gl_FragCoord.x - size.x, size.y - 2.0 * gl_FragCoord.y) / (zoom * min(size.x, size.y));
  vec3 target = at.x * right + at.y * down, from = -eye * forward;
  vec3 way = normalize(target - from);
  vec3 safe = vec3(abs(way.x) < 1e-9 ? 1e-9 : way.x, abs(way.y) < 1e-9 ? 1e-9 : way.y, abs(way.z) < 1e-9 ? 1e-9 : way.z);
  vec3 a = (-box - from) / safe, b = (box - from) / safe, low = min(a, b), high = max(a, b);
  float near = max(0.0, max(low.x, max(low.y, low.z))), far = min(high.x, min(high.y, high.z));
  if (cut.xyz != vec3(0.0)) {  // only points with normal·p <= offset are seen
    float slope = dot(way, cut.xyz), room = cut.w - dot(from, cut.xyz);
    if (slope < -1e-9) near = max(near, room / slope);
    else if (slope > 1e-9) far = min(far, room / slope);
    else if (room < 0.0) far = near;
  }
  vec3 sum = vec3(0.0);
  float passed = 1.0, greatest = 0.0;
  if (far > near) {
    int count = max(1, int(ceil((far - near) / stride)));
    float dt = (far - near) / float(count);
    for (int i = 0; i < count && passed > 0.002; i++) {
      vec3 q = from + (near + (float(i) + 0.5) * dt) * way, p = q / box * 0.5 + 0.5;
      bool outermost = faced >= 0 && cut.w - dot(q, cut.xyz) < 2.0 / max(sides.x, max(sides.y, sides.z));  // voxel
      vec4 found = outermost ? texture(face, beside(p)) : texture(volume, p);
      if (maximum) greatest = max(greatest, found.a);
      else if (found.a > range.x) {
        float through = exp(-windowed(found.a) * opacity * dt);
        vec3 lit = found.rgb * (light > 0.0 ? 1.0 - light + light * shade(p) : 1.0);
        sum += passed * (1.0 - through) * lit;
        passed *= through;
      }
    }
  }
  shown = vec4(maximum ? vec3(windowed(greatest)) : sum + passed * ground, 1.0);
}`;
const GROUND = [14, 16, 22];
const FIELD_OF_VIEW = 30;
const STEP = { resting: 1, moving: 2 };  // of a ray, in voxels
const SLOW_MS = 45;  // a frame that takes longer is drawn smaller while the hand moves
const CUTS = { none: "no cut", x: "across x", y: "across y", z: "across z", view: "facing you" };
const MODES = { absorption: "surfaces", maximum: "densest on each ray" };

// A slice across axis k has its columns and rows along these two axes, in the order x, z, y where x is cut.
const axesOf = (k) => [[2, 1], [0, 2], [0, 1]][k];
const unit = (v) => { const n = Math.hypot(...v); return v.map((c) => c / n); };

// Right, down and forward of volumes.Camera.
function basisOf({ azimuth, elevation }) {
  const a = (azimuth * Math.PI) / 180, e = (elevation * Math.PI) / 180;
  const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  return { right: [ca, 0, sa], down: [sa * se, ce, -ca * se], forward: [-sa * ce, se, ca * ce] };
}

// A WebGL2 context on a canvas that draws one volume; {reason} where there is none.
function marcher(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (!gl) return { reason: "This browser has no WebGL2, so the volume stands still; the slices work" };
  const program = gl.createProgram();
  const part = (kind, text) => { const made = gl.createShader(kind); gl.shaderSource(made, text); gl.compileShader(made); gl.attachShader(program, made); };
  part(gl.VERTEX_SHADER, VERTEX);
  part(gl.FRAGMENT_SHADER, FRAGMENT);
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "no shader");
  gl.useProgram(program);
  const places = new Proxy({}, { get: (kept, name) => (kept[name] ??= gl.getUniformLocation(program, name)) });
  let solid = null, face = null;
  function bind(kind, unit, made) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(kind, made);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(kind, side, gl.CLAMP_TO_EDGE);
    for (const size of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(kind, size, gl.LINEAR);
  }
  function load(voxels, [depth, height, width]) {
    bind(gl.TEXTURE_3D, 0, solid ??= gl.createTexture());
    gl.uniform1i(places.face, 1);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA8, width, height, depth, 0, gl.RGBA, gl.UNSIGNED_BYTE, voxels);
    const longest = Math.max(width, height, depth);
    gl.uniform3f(places.box, width / longest, height / longest, depth / longest);
    gl.uniform3f(places.sides, width, height, depth);
    gl.uniform3fv(places.ground, GROUND.map((c) => c / 255));
  }
  // finer: {axis, size, voxels} of the slice that lies on the cut, or nothing.
  function cover(finer) {
    if (finer && finer !== face) {
      if (!face) bind(gl.TEXTURE_2D, 1, gl.createTexture());
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, finer.size[1], finer.size[0], 0, gl.RGBA, gl.UNSIGNED_BYTE, finer.voxels);
      face = finer;
    }
    gl.uniform1i(places.faced, finer ? finer.axis : -1);
  }
  function draw(view, across, voxel, finer) {
    if (gl.isContextLost()) return false;
    cover(finer);
    resize(canvas, across, across);
    gl.viewport(0, 0, across, across);
    const { right, down, forward } = basisOf(view);
    const lamp = unit(right.map((r, k) => -0.45 * r - 0.6 * down[k] - 0.66 * forward[k]));
    const axis = { x: [-1, 0, 0], y: [0, -1, 0], z: [0, 0, -1], view: forward.map((c) => -c), none: [0, 0, 0] }[view.cut];
    for (const [name, value] of Object.entries({ right, down, forward, lamp })) gl.uniform3fv(places[name], value);
    gl.uniform4f(places.cut, ...axis, -view.depth);
    gl.uniform2f(places.size, across, across);
    gl.uniform2f(places.range, view.low, Math.max(view.high, view.low + 0.004));
    for (const name of ["zoom", "opacity", "light"]) gl.uniform1f(places[name], view[name]);
    gl.uniform1f(places.eye, 1 / Math.tan((FIELD_OF_VIEW * Math.PI) / 360));
    gl.uniform1f(places.stride, voxel);
    gl.uniform1i(places.maximum, view.mode === "maximum" ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits for the frame, so its time is true
    return true;
  }
  return { load, draw, reason: "" };
}

async function inflate(bytes) {
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

function render({ model, el }) {
  const send = sender(model);
  const canvas = element("canvas", { tabindex: "0", role: "img" });
  const still = element("img", { hidden: "", alt: "" });
  const told = element("div", { class: "told", role: "status" });
  const problem = problemLine(model);
  const slices = ["x", "y", "z"].map((name) => element("canvas", { tabindex: "0", role: "img", "aria-label": `Slice across ${name}` }));
  const choice = (words, title) => {
    const node = element("select", { "aria-label": title, title });
    for (const [value, text] of Object.entries(words)) node.append(element("option", { value, text }));
    return node;
  };
  const mode = choice(MODES, "How a ray becomes a colour"), cut = choice(CUTS, "Cutting plane");
  const reset = button("Reset", { title: "Reset the view" });
  const knobs = {
    low: knob("Density from", 0, 0.99, 0.01), high: knob("to", 0.01, 1, 0.01),
    opacity: knob("Opacity", 1, 200, 1), depth: knob("Cut at", -1, 1, 0.01),
  };
  const captions = slices.map((_, k) => element("figcaption", {}));
  const row = element("div", { class: "row controls" }, mode, cut, reset);
  const sliders = Object.values(knobs).map(({ node }) => { node.classList.add("controls"); return node; });
  const figures = slices.map((slice, k) => element("figure", {}, slice, captions[k]));
  const side = element("div", { class: "side" }, row, ...sliders, element("div", { class: "slices" }, ...figures), problem.node);
  const root = element("div", { class: "atelier volume" }, element("div", { class: "seen" }, canvas, still, told), side);
  el.replaceChildren(root);

  let view = { ...model.get("view") }, home = { ...view }, march = null, voxels = null, size = [1, 1, 1], header = {};
  const plain = element("canvas");
  let finer = [], seen = false, frame = 0, resting = null, lifted = null, newest = 0, coarse = 1, stale = true;

  // Sides along x, y, z, and the half widths of the box.
  const along = () => [size[2], size[1], size[0]];
  const boxOf = () => { const most = Math.max(...size); return along().map((n) => n / most); };

  // The finer slice across axis k, where there is one at this very place.
  const finerAt = (k, at) => (finer[k] && Math.abs(finer[k].at - at) < 1e-6 ? finer[k] : null);
  const onCut = () => "xyz".indexOf(view.cut);

  function paint(moving) {
    if (!voxels || !seen) { stale = true; return; }
    stale = false;
    paintSlices();
    if (!march || march.reason) return;
    const across = Math.max(64, Math.round((canvas.clientWidth * Math.min(devicePixelRatio, 2)) / (moving ? coarse : 1)));
    const voxel = ((moving ? STEP.moving : STEP.resting) * 2) / Math.max(...size), began = performance.now();
    if (!march.draw(view, across, voxel, finerAt(onCut(), view.depth))) return;
    const took = performance.now() - began;
    if (moving && took > SLOW_MS) coarse = Math.min(5, coarse * 1.3);
    if (moving && took < SLOW_MS / 3) coarse = Math.max(1, coarse / 1.1);
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
    told.textContent = moving && !header.passing ? `${Math.round(1000 / Math.max(took, 1))} frames/s` : header.title;
  }
  function paintSlices() {
    const sides = along(), box = boxOf(), [width, height] = [sides[0], sides[1]];
    slices.forEach((slice, k) => {
      const [u, v] = axesOf(k), fits = finerAt(k, view.at[k]);
      const index = clamp(Math.floor(((view.at[k] / box[k] + 1) / 2) * sides[k]), 0, sides[k] - 1);
      const [across, down] = fits ? [fits.size[1], fits.size[0]] : [sides[u], sides[v]];
      const wide = Math.max(across, Math.round(slice.clientWidth * devicePixelRatio)), high = Math.round((wide * box[v]) / box[u]);
      resize(slice, wide, high);
      const shown = new ImageData(across, down), place = [0, 0, 0];
      place[k] = index;
      for (let j = 0, to = 0; j < down; j++) for (let i = 0; i < across; i++, to += 4) {
        let from = to;
        if (!fits) { place[u] = i; place[v] = j; from = 4 * (place[0] + width * (place[1] + height * place[2])); }
        const data = fits ? fits.voxels : voxels;
        const dense = clamp((data[from + 3] / 255 - view.low) / Math.max(0.004, view.high - view.low), 0, 1);
        for (let c = 0; c < 3; c++) shown.data[to + c] = view.mode === "maximum" ? 255 * dense : GROUND[c] + dense * (data[from + c] - GROUND[c]);
        shown.data[to + 3] = 255;
      }
      plain.width = across;
      plain.height = down;
      plain.getContext("2d").putImageData(shown, 0, 0);
      const c = slice.getContext("2d");
      c.drawImage(plain, 0, 0, wide, high);
      c.fillStyle = "rgba(255, 255, 255, .6)";
      c.fillRect(Math.round(((view.at[u] / box[u] + 1) / 2) * wide), 0, devicePixelRatio, high);
      c.fillRect(0, Math.round(((view.at[v] / box[v] + 1) / 2) * high), wide, devicePixelRatio);
      captions[k].textContent = `${"xyz"[k]} = ${view.at[k].toFixed(2)}${fits ? " · exact" : ""}`;
    });
  }
  function words() {
    mode.value = view.mode;
    cut.value = view.cut;
    for (const [name, { input, output }] of Object.entries(knobs)) {
      input.value = view[name];
      output.textContent = (+view[name]).toFixed(name === "opacity" ? 0 : 2);
    }
    knobs.opacity.node.hidden = view.mode === "maximum";
    knobs.depth.node.hidden = view.cut === "none";
  }
  function change(next, moving = true) {
    view = { ...view, ...next };
    words();
    frame ||= requestAnimationFrame(() => { frame = 0; paint(moving); });
    clearTimeout(resting);
    resting = setTimeout(() => paint(false), 200);
    clearTimeout(lifted);
    lifted = setTimeout(lift, 350);
  }
  function lift() {
    model.set("view", { ...view });
    model.save_changes();
    askExact();
  }
  // Ask for the slices as the network has them, those that are not here yet.
  function askExact() {
    if (!header.exact || !seen) return;
    const places = boxOf().map((half, axis) => ({ axis, half, at: onCut() === axis ? view.depth : view.at[axis] }));
    const missing = places.filter(({ axis, half, at }) => Math.abs(at) <= half && !finerAt(axis, at));
    if (missing.length) send("slices", missing.map(({ axis, at }) => [axis, at]));
  }
  // Gestures move a window whose half is 120 degrees wide, so a drag over the canvas turns the volume by 240.
  gestures({
    at: () => ({ x: view.azimuth, y: -view.elevation, zoom: view.zoom }),
    half: () => [120, 120],
    move: ({ x, y, zoom }) => change({ azimuth: ((((x + 180) % 360) + 360) % 360) - 180, elevation: clamp(-y, -90, 90), zoom }),
    home: () => change({ ...home }, false),
    least: 0.3, most: 20, step: 1 / 15,
  }).hold(canvas);
  canvas.ondblclick = reset.onclick = () => change({ ...home }, false);
  slices.forEach((slice, k) => {
    const [u, v] = axesOf(k);
    const go = (p, q) => {
      const box = boxOf(), at = [...view.at];
      at[u] = clamp(p, -box[u], box[u]);
      at[v] = clamp(q, -box[v], box[v]);
      const cutAxis = onCut();
      change(cutAxis < 0 ? { at } : { at, depth: at[cutAxis] });
    };
    const drag = (e) => {
      const [p, q] = shares(slice, e), box = boxOf();
      go((2 * p - 1) * box[u], (2 * q - 1) * box[v]);
    };
    slice.onpointerdown = (e) => { if (e.button) return; slice.setPointerCapture(e.pointerId); drag(e); };
    slice.onpointermove = (e) => { if (slice.hasPointerCapture(e.pointerId)) drag(e); };
    slice.onkeydown = (e) => {
      const arrow = ARROWS[e.key];
      if (!arrow) return;
      go(view.at[u] + 0.02 * arrow[0], view.at[v] + 0.02 * arrow[1]);
      e.preventDefault();
    };
  });
  mode.onchange = () => change({ mode: mode.value }, false);
  cut.onchange = () => {
    const axis = "xyz".indexOf(cut.value);
    change({ cut: cut.value, ...(axis < 0 ? {} : { depth: view.at[axis] }) }, false);
  };
  for (const [name, { input }] of Object.entries(knobs)) input.oninput = () => {
    const value = +input.value;
    if (name === "low") change({ low: value, high: Math.max(view.high, value + 0.01) });
    else if (name === "high") change({ high: value, low: Math.min(view.low, value - 0.01) });
    else if (name === "depth" && onCut() >= 0) {
      const at = [...view.at], axis = onCut();
      at[axis] = clamp(value, -boxOf()[axis], boxOf()[axis]);
      change({ depth: value, at });
    } else change({ [name]: value });
  };

  function hangStill(bytes) {
    canvas.hidden = true;
    still.hidden = !bytes.length;
    URL.revokeObjectURL(still.src);
    if (bytes.length) still.src = URL.createObjectURL(new Blob([bytes]));
    told.textContent = `${march.reason}.`;
  }
  async function show() {
    const found = unpack(model.get("frame"));
    if (!found.header.size) return;
    const mine = ++newest, data = await inflate(found.pictures.voxels);
    if (mine !== newest) return;
    header = found.header;
    [voxels, size] = [data, header.size];
    canvas.setAttribute("aria-label", `${header.title}: drag or use the arrow keys to turn it`);
    still.alt = header.title;
    try { march ??= marcher(canvas); } catch (error) { march = { reason: `WebGL2 failed (${error.message})` }; }
    if (march.reason) hangStill(found.pictures.still);
    else march.load(voxels, size);
    paint(header.passing);
    askExact();
  }
  async function refine() {
    const found = unpack(model.get("fine"));
    if (!found.header.size) { finer = []; return; }
    const its = newest, data = await inflate(found.pictures.voxels);
    if (its !== newest || !unpack(model.get("fine")).header.size) return;  // another volume came meanwhile
    finer[found.header.axis] = { ...found.header, voxels: data };
    paint(false);
  }
  const follow = () => {
    const next = model.get("view");
    if (JSON.stringify(next) === JSON.stringify(view)) return;
    view = { ...next };
    home = { ...next };
    words();
    paint(false);
  };
  canvas.addEventListener("webglcontextlost", (e) => { e.preventDefault(); told.textContent = "The graphics were lost, and come back."; });
  canvas.addEventListener("webglcontextrestored", () => {
    march = null;
    canvas.hidden = false;
    still.hidden = true;
    show();
  });
  const blind = sight(root, (now) => {
    seen = now;
    send("seen", seen);
    if (seen && stale) paint(false);
    askExact();
  });
  const sized = new ResizeObserver(() => paint(false));
  sized.observe(canvas);
  const forget = listen(model, { "change:frame": show, "change:fine": refine, "change:view": follow });
  words();
  show();
  refine();
  return () => {
    forget();
    problem.forget();
    blind();
    sized.disconnect();
    cancelAnimationFrame(frame);
    [resting, lifted].forEach(clearTimeout);
    URL.revokeObjectURL(still.src);
    canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
  };
}

export default { render };
