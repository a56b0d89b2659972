// One field over the whole page: drag moves it, the wheel or two fingers magnify, and so do the keys.

const field = JSON.parse(document.getElementById("field").textContent);
const shader = { ...field, numbers: new Float32Array(Uint8Array.from(atob(field.numbers), (c) => c.charCodeAt(0)).buffer) };
const canvas = document.querySelector("canvas"), told = document.querySelector("p"), hands = new Map();
let aim = { ...field.window }, asked = 0, rest = null, coarse = 1, from = null;

const half = (zoom) => {
  const least = Math.min(canvas.clientWidth, canvas.clientHeight);
  return [canvas.clientWidth / least / zoom, canvas.clientHeight / least / zoom];
};
function paint(moving) {
  const dots = (moving ? 1 / coarse : 1) * Math.min(devicePixelRatio, 2), began = performance.now();
  const width = Math.max(1, Math.round(canvas.clientWidth * dots)), height = Math.max(1, Math.round(canvas.clientHeight * dots));
  const drawn = painter().draw(shader, { x: aim.x, y: aim.y, halfPixel: half(aim.zoom)[0] / width }, width, height);
  told.textContent = drawn ? (aim.zoom === 1 ? "" : `zoom ${+aim.zoom.toPrecision(3)}×`) : `${painter().reason}, so the field cannot be drawn here.`;
  if (!drawn) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  canvas.getContext("2d").drawImage(painter().canvas, 0, 0);
  const took = performance.now() - began;
  if (moving) coarse = took > 60 ? Math.min(6, coarse * 1.4) : took < 15 ? Math.max(1, coarse / 1.1) : coarse;
  document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
}
function move(next) {
  aim = { ...next, zoom: Math.min(shader.deepest, Math.max(1e-3, next.zoom)) };
  asked ||= requestAnimationFrame(() => { asked = 0; paint(true); });
  clearTimeout(rest);
  rest = setTimeout(() => paint(false), 250);
}
function magnify(factor, u = 0, v = 0) {
  const zoom = Math.min(shader.deepest, Math.max(1e-3, aim.zoom * factor));
  const [hx, hy] = half(aim.zoom), [gx, gy] = half(zoom);
  move({ x: aim.x + u * (hx - gx), y: aim.y + v * (hy - gy), zoom });
}
const middle = () => [0, 1].map((k) => [...hands.values()].reduce((sum, p) => sum + p[k], 0) / hands.size);
const spread = () => { const [a, b] = [...hands.values()]; return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0; };
const begin = () => { from = hands.size ? { middle: middle(), spread: spread(), aim } : null; };
const place = ([x, y]) => [(2 * x) / canvas.clientWidth - 1, (2 * y) / canvas.clientHeight - 1];
canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); hands.set(e.pointerId, [e.clientX, e.clientY]); begin(); };
canvas.onpointermove = (e) => {
  if (!hands.has(e.pointerId) || !from) return;
  hands.set(e.pointerId, [e.clientX, e.clientY]);
  const zoom = Math.min(shader.deepest, Math.max(1e-3, from.aim.zoom * (from.spread ? spread() / from.spread : 1)));
  const [u, v] = place(from.middle), [s, t] = place(middle()), [hx, hy] = half(from.aim.zoom), [gx, gy] = half(zoom);
  move({ x: from.aim.x + u * hx - s * gx, y: from.aim.y + v * hy - t * gy, zoom });
};
canvas.onpointerup = canvas.onpointercancel = (e) => { hands.delete(e.pointerId); begin(); };
canvas.addEventListener("wheel", (e) => {
  e.preventDefault();
  const notch = Math.max(-120, Math.min(120, e.deltaMode ? e.deltaY * 40 : e.deltaY));
  magnify(Math.exp(-notch / 700), ...place([e.clientX, e.clientY]));
}, { passive: false });
addEventListener("keydown", (e) => {
  const [hx, hy] = half(aim.zoom);
  const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[e.key];
  if (step) move({ ...aim, x: aim.x + step[0] * hx, y: aim.y + step[1] * hy });
  else if (e.key === "+" || e.key === "=") magnify(1.25);
  else if (e.key === "-") magnify(0.8);
  else if (e.key === "0") move(field.window);
  else return;
  e.preventDefault();
});
addEventListener("resize", () => paint(false));
painter().canvas.addEventListener("webglcontextrestored", () => paint(false));
paint(false);
