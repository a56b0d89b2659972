// A window {x, y, zoom} on the plane under the hand: drag moves it, the wheel or two fingers magnify, and so do the keys.

// at() is the window now, half(zoom) half the width and height that it shows, move(next) goes to another, home() back. An
// arrow key goes a `step` of that half.
function gestures({ at, half, move, home, least, most, step = 0.2 }) {
  const bounded = (zoom) => Math.min(most, Math.max(least, zoom));
  // The point at (u, v), from -1 to 1 over the canvas, stays where it is.
  function magnify(factor, u = 0, v = 0) {
    const from = at(), zoom = bounded(from.zoom * factor), [hx, hy] = half(from.zoom), [gx, gy] = half(zoom);
    move({ x: from.x + u * (hx - gx), y: from.y + v * (hy - gy), zoom });
  }
  function hold(canvas, keys = canvas) {
    const hands = new Map();
    let from = null;
    const place = ([x, y]) => {
      const box = canvas.getBoundingClientRect();
      return [(2 * (x - box.left)) / box.width - 1, (2 * (y - box.top)) / box.height - 1];
    };
    const middle = () => [0, 1].map((k) => [...hands.values()].reduce((sum, p) => sum + p[k], 0) / hands.size);
    const spread = () => { const [a, b] = [...hands.values()]; return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0; };
    const begin = () => { from = hands.size ? { middle: place(middle()), spread: spread(), window: at() } : null; };
    canvas.onpointerdown = (e) => { if (e.button) return; canvas.setPointerCapture(e.pointerId); hands.set(e.pointerId, [e.clientX, e.clientY]); begin(); };
    canvas.onpointermove = (e) => {
      if (!hands.has(e.pointerId) || !from) return;
      hands.set(e.pointerId, [e.clientX, e.clientY]);
      const { window, middle: [u, v] } = from, [s, t] = place(middle());
      const zoom = bounded(window.zoom * (from.spread ? spread() / from.spread : 1)), [hx, hy] = half(window.zoom), [gx, gy] = half(zoom);
      move({ x: window.x + u * hx - s * gx, y: window.y + v * hy - t * gy, zoom });
    };
    canvas.onpointerup = canvas.onpointercancel = (e) => { hands.delete(e.pointerId); begin(); };
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const notch = Math.max(-120, Math.min(120, e.deltaMode ? e.deltaY * 40 : e.deltaY));
      magnify(Math.exp(-notch / 700), ...place([e.clientX, e.clientY]));
    }, { passive: false });
    keys.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;  // the browser's own
      const window = at(), [hx, hy] = half(window.zoom);
      const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
      if (arrow) move({ ...window, x: window.x + step * arrow[0] * hx, y: window.y + step * arrow[1] * hy });
      else if (e.key === "+" || e.key === "=") magnify(1.25);
      else if (e.key === "-") magnify(0.8);
      else if (e.key === "0") home();
      else return;
      e.preventDefault();
    });
  }
  return { magnify, hold };
}
