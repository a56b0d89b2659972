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

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") node.textContent = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
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
  model.on("msg:custom", hear);
  return { node, forget: () => model.off("msg:custom", hear) };
}

function listen(model, handlers) {
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  return () => {
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}
