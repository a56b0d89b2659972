// Shared by the widgets: messages, pictures and small DOM helpers.

function bytesOf(value) {
  if (!value) return new Uint8Array();
  if (typeof value === "string") return Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

// The inverse of packing.pack: {header, pictures: name -> Uint8Array}.
function unpack(value) {
  const bytes = bytesOf(value);
  if (bytes.length < 4) return { header: {}, pictures: {} };
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const pictures = {};
  for (const [name, [start, size]] of Object.entries(header.pictures)) {
    pictures[name] = bytes.subarray(4 + length + start, 4 + length + start + size);
  }
  return { header, pictures };
}

async function decode(bytes) {
  const type = { 0xff: "image/jpeg", 0x52: "image/webp" }[bytes[0]] ?? "image/png";
  return createImageBitmap(new Blob([bytes], { type }));
}

// Draw a bitmap on a canvas that takes its size, and release it; `data-frames` counts.
function put(canvas, bitmap) {
  resize(canvas, bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
}

// A canvas that is given a size, even its own, is empty again.
function resize(canvas, width, height) {
  if (canvas.width === width && canvas.height === height) return;
  canvas.width = width;
  canvas.height = height;
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") node.textContent = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const button = (text = "", attributes = {}) => element("button", { type: "button", text, ...attributes });
const named = (title) => ({ title, "aria-label": title });

// A slider with its title and its value: {node, input, output}.
function knob(title, low, high, step) {
  const input = element("input", { type: "range", min: low, max: high, step, "aria-label": title });
  const output = element("output");
  return { input, output, node: element("label", {}, element("span", { text: title }), input, output) };
}

// Where the pointer is on a node, as shares of its width and its height.
function shares(node, event) {
  const box = node.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

// Call act(seen) whenever a node comes into sight or leaves it, also with the browser's tab. Returns how to end that.
function sight(node, act) {
  let near = false;
  const tell = () => act(near && !document.hidden);
  const watcher = new IntersectionObserver((changes) => { near = changes.at(-1).isIntersecting; tell(); });
  watcher.observe(node);
  document.addEventListener("visibilitychange", tell);
  return () => { watcher.disconnect(); document.removeEventListener("visibilitychange", tell); };
}

// Commands go to the kernel as messages: unlike a changed trait they run no cell again. A page without a kernel has none.
function sender(model) {
  return (name, value = null) => { try { model.send({ name, value }); } catch { /* an exported page */ } };
}

// What the kernel answers: a sentence on what went wrong, or that something has changed, so that cells follow.
function problemLine(model) {
  const node = element("div", { class: "problem", role: "alert", hidden: "" });
  const hear = (message) => {
    if (!message || !("problem" in message)) return;
    node.textContent = message.problem;
    node.hidden = !message.problem;
    if (message.acted) {
      model.set("acted", (model.get("acted") ?? 0) + 1);
      model.save_changes();
    }
  };
  return { node, forget: listen(model, { "msg:custom": hear }) };
}

function listen(model, handlers) {
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  return () => {
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}
