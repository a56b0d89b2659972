// Curves on a scale of their own: the ends of the scale stand beside it, the newest value above it.
// A chart shows one curve, or several by name: lines = [{label, x, y}, …].
function chart(spec) {
  const value = element("span", { class: "value", text: "–" });
  const canvas = element("canvas", { role: "img", "aria-label": `${spec.name} over ${spec.over}` });
  const head = element("div", { class: "head" }, element("span", { text: spec.name }), value);
  const legend = element("div", { class: "legend" });
  const node = element("figure", {}, head, canvas, legend);
  const plain = (y, digits) => (y >= 1e-3 && y < 1e4 ? String(+y.toPrecision(digits)) : y.toExponential(digits - 1));
  const number = (y, digits = 2) => (spec.log ? plain(y, digits) : y.toFixed(spec.digits));
  const points = ({ x, y }) => x.map((v, i) => [v, y[i]]).filter(([, v]) => v != null && (!spec.log || v > 0));
  let lines = [], mark = null, hovered = null, place = null;

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
    const drawn = lines.map(points), all = drawn.flat();
    if (!all.length) return;
    const scale = spec.log ? Math.log : (y) => y;
    const ys = all.map(([, y]) => y), low = Math.min(...ys), high = Math.max(...ys);
    const xs = all.map(([x]) => x), first = Math.min(0, ...xs), last = Math.max(...xs), span = scale(high) - scale(low) || 1;
    const px = (x) => left + ((x - first) / (last - first || 1)) * (right - left);
    const py = (y) => bottom - 3 - ((scale(y) - scale(low)) / span) * (bottom - top - 6);
    place = { left, right, first, last: last || 1 };
    if (mark != null) {
      c.save(); c.strokeStyle = colour("--soft"); c.setLineDash([2, 3]);
      c.beginPath(); c.moveTo(px(Math.min(mark, last)), top); c.lineTo(px(Math.min(mark, last)), bottom); c.stroke(); c.restore();
    }
    c.lineWidth = 1.8;
    c.lineJoin = "round";
    const dot = ([x, y]) => { c.beginPath(); c.arc(px(x), py(y), 3, 0, 7); c.fill(); };
    drawn.forEach((pairs, i) => {
      c.strokeStyle = c.fillStyle = colour(`--series-${i % 4}`);
      if (pairs.length === 1) dot(pairs[0]);
      c.beginPath();
      pairs.forEach(([x, y], k) => (k ? c.lineTo(px(x), py(y)) : c.moveTo(px(x), py(y))));
      c.stroke();
    });
    if (hovered != null) {
      c.fillStyle = colour("--ink");
      drawn.forEach((pairs) => {
        const near = nearest(pairs, hovered);
        if (near) dot(near);
      });
    }
    c.fillStyle = colour("--soft");
    c.textAlign = "right";
    if (high > low) c.fillText(number(high), left - 4, top + 8);
    c.fillText(number(low), left - 4, bottom);
    const over = last === 1 ? spec.over.replace(/(\w\w)s$/, "$1") : spec.over;
    c.fillText(`${last.toLocaleString("en", { maximumFractionDigits: 1 })} ${over}`, right, height - 3);
  }
  const nearest = (pairs, x) => pairs.reduce((best, pair) => (!best || Math.abs(pair[0] - x) < Math.abs(best[0] - x) ? pair : best), null);
  const told = (y) => number(y, 3) + (spec.unit ? ` ${spec.unit}` : "");
  // What stands above the curves: their values under the pointer, at the moment that is gone back to, or the newest one.
  function tell() {
    const x = hovered ?? mark;
    const near = x == null ? [] : lines.map((line) => [nearest(points(line), x), line.label]).filter(([point]) => point);
    value.classList.toggle("hovered", near.length > 0);
    if (near.length) {
      const words = near.map(([[, y], label]) => (lines.length > 1 && label ? `${label} ` : "") + told(y));
      const [[[at]]] = near;
      value.textContent = `${words.join(", ")} at ${at.toLocaleString("en", { maximumFractionDigits: 2 })}`;
      return;
    }
    const now = spec.newest ? lines[0]?.y.at(-1) : null;
    value.textContent = now == null ? (spec.newest ? "–" : "\u00a0") : told(now);
  }
  canvas.onpointermove = (event) => {
    if (!place) return;
    const box = canvas.getBoundingClientRect();
    hovered = place.first + ((event.clientX - box.left - place.left) / (place.right - place.left)) * (place.last - place.first);
    tell();
    draw();
  };
  canvas.onpointerleave = () => { hovered = null; tell(); draw(); };
  function at(step) { mark = spec.over === "steps" ? step : null; tell(); draw(); }
  function update(next) {
    lines = next;
    tell();
    if (lines.length > 1) {
      legend.replaceChildren(...lines.map(({ label }, i) =>
        element("span", { style: `--mark: var(--series-${i % 4})`, text: label })));
    }
    draw();
  }
  return { node, update, draw, at };
}

// Draw all charts of `charts()` again when the node changes its size or the page its colours; gives what ends that.
function redrawn(node, charts) {
  const redraw = () => charts().forEach((one) => one.draw());
  const resized = new ResizeObserver(redraw), scheme = window.matchMedia("(prefers-color-scheme: dark)");
  resized.observe(node);
  scheme.addEventListener("change", redraw);
  return () => { resized.disconnect(); scheme.removeEventListener("change", redraw); };
}

// A colour as a canvas understands it: light-dark() and variables are resolved by the element.
function resolve(node, colour) {
  node.style.color = colour;
  const found = getComputedStyle(node).color;
  node.style.color = "";
  return found;
}
