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
  const type = bytes[0] === 0xff ? "image/jpeg" : "image/png";
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

// Commands are numbered, so that the same one twice is two changes. Those just before travel along: two clicks in
// quick succession may reach the kernel as one change.
function sender(model) {
  let number = Date.now(), earlier = [];
  return (name, value = null) => {
    const command = { name, value, number: number++ };
    model.set("command", { ...command, earlier });
    model.save_changes();
    earlier = [...earlier, command].slice(-8);
  };
}

function listen(model, handlers) {
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  return () => {
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}
