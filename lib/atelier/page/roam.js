// One field over the whole page.

const field = JSON.parse(document.getElementById("field").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const shader = shaderOf(field.shader, bytes(field.numbers), bytes(field.table));
const canvas = document.querySelector("canvas"), told = document.querySelector("p");
const [wide, high] = field.extent;  // half the width and height of what the page shows in full at zoom 1
let aim = { ...field.window }, asked = 0, rest = null;

const half = (zoom) => {
  const { clientWidth: width, clientHeight: height } = canvas, unit = Math.min(width / wide, height / high);
  return [width / unit / zoom, height / unit / zoom];
};
function paint(moving) {
  const dots = Math.min(devicePixelRatio, painter().software ? 1 : 3), { clientWidth, clientHeight } = canvas;
  const scale = dots * painter().scale(shader, dots * dots * clientWidth * clientHeight, moving ? MOVING_MS : RESTING_MS);
  const width = Math.max(1, Math.round(clientWidth * scale)), height = Math.max(1, Math.round(clientHeight * scale));
  const drawn = painter().draw(shader, { x: aim.x, y: aim.y, halfPixel: half(aim.zoom)[0] / width }, width, height);
  told.textContent = drawn ? (aim.zoom === 1 ? "" : `zoom ${+aim.zoom.toPrecision(3)}×`) : `${painter().reason}, so the field cannot be drawn here.`;
  if (!drawn) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  canvas.getContext("2d").drawImage(painter().canvas, 0, 0);
  document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
}
function move(next) {
  aim = next;
  asked ||= requestAnimationFrame(() => { asked = 0; paint(true); });
  clearTimeout(rest);
  rest = setTimeout(() => paint(false), 250);
}
gestures({ at: () => aim, half, move, home: () => move({ ...field.window }), least: 1e-3, most: shader.deepest }).hold(canvas, window);
addEventListener("resize", () => paint(false));
painter().canvas.addEventListener("webglcontextrestored", () => paint(false));
paint(false);
