// Pictures that sink into noise: x_t = alpha(t) x0 + sigma(t) eps, mixed here at every tick of the slider.

const STRIP = 11;

function render({ model, el }) {
  const large = element("canvas", { class: "large", role: "img" });
  const choices = element("div", { class: "choices", role: "group", "aria-label": "Picture" });
  const slider = element("input", { type: "range", min: "0", max: "1000", value: "400", "aria-label": "Time t" });
  const strip = element("div", { class: "strip" });
  const told = element("div", { class: "told", role: "status" });
  const charts = element("div", { class: "charts" });
  const side = element("div", { class: "side" }, choices, strip, slider, told);
  const root = element("div", { class: "atelier mixer" }, element("div", { class: "mixed" }, large, side), charts);
  el.replaceChildren(root);
  let found = null, digit = 3, curves = [];

  // A picture of K, mixed with the noise, onto a canvas of its own size.
  function paint(canvas, k, alpha, sigma) {
    const { height, width, pictures, noise } = found;
    canvas.width = width;
    canvas.height = height;
    const shown = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const x = alpha * (pictures[k * width * height + i] / 127.5 - 1) + sigma * noise[i];
      const gray = Math.round((clamp(x, -1, 1) + 1) * 127.5);
      shown.data.set([gray, gray, gray, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
  }
  // alpha and sigma at a share of T, between the points of the table.
  function rates(share) {
    const { times, alphas, sigmas } = found, at = share * (times.length - 1);
    const k = Math.min(times.length - 2, Math.floor(at)), rest = at - k;
    const between = (values) => values[k] + rest * (values[k + 1] - values[k]);
    return { t: between(times), alpha: between(alphas), sigma: between(sigmas) };
  }
  function draw() {
    if (!found) return;
    const { t, alpha, sigma } = rates(slider.value / slider.max), last = found.times.at(-1);
    paint(large, digit, alpha, sigma);
    large.setAttribute("aria-label", `Picture ${digit} at t = ${t.toFixed(0)}`);
    const noise = sigma / (alpha + sigma);
    told.textContent = `t = ${t.toLocaleString("en", { maximumFractionDigits: 0 })} of ${last.toLocaleString("en")}: ` +
      `${(100 * noise).toFixed(0)} % noise, xₜ = ${alpha.toFixed(2)} · digit + ${sigma.toFixed(2)} · noise`;
    curves.forEach((curve) => curve.at(t));
  }
  function drawStrip() {
    [...strip.children].forEach((canvas, k) => {
      const { alpha, sigma } = rates(k / (STRIP - 1));
      paint(canvas, digit, alpha, sigma);
    });
    [...choices.children].forEach((choice, k) => choice.setAttribute("aria-pressed", String(k === digit)));
  }
  function show() {
    const { header, pictures } = unpack(model.get("frame"));
    if (!header.size) return;
    const [count, height, width] = header.size;
    found = { ...header, height, width, pictures: pictures.pictures, noise: new Float32Array(pictures.noise.slice().buffer) };
    digit = Math.min(digit, count - 1);
    strip.replaceChildren(...Array.from({ length: STRIP }, () => element("canvas", { "aria-hidden": "true" })));
    choices.replaceChildren(...Array.from({ length: count }, (_, k) => {
      const canvas = element("canvas", {});
      const choice = button("", named(`Picture ${k}`));
      choice.append(canvas);
      paint(canvas, k, 1, 0);
      choice.onclick = () => { digit = k; drawStrip(); draw(); };
      return choice;
    }));
    curves = header.charts.map((spec) => chart(spec));
    charts.replaceChildren(...curves.map((curve) => curve.node));
    curves.forEach((curve, k) => curve.update(header.charts[k].lines));
    drawStrip();
    draw();
  }
  slider.oninput = draw;
  const unwatch = redrawn(root, () => curves);
  const forget = listen(model, { "change:frame": show });
  show();
  return () => { forget(); unwatch(); };
}

export default { render };
