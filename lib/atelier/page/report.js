// Mounts every widget of the page on a model that holds its state. There is no kernel: what a widget sends is lost.

const text = (id) => JSON.parse(document.getElementById(id).textContent);

function modelOf(state) {
  const values = { ...state }, heard = {};  // bytes as base64, which `bytesOf` reads
  return {
    still: true,
    get: (name) => values[name],
    set: (name, next) => { values[name] = next; },
    save_changes() {},
    send() {},
    on: (event, handler) => { (heard[event] ??= []).push(handler); },
    off: (event, handler) => { heard[event] = (heard[event] ?? []).filter((one) => one !== handler); },
  };
}

const states = text("states");
for (const place of document.querySelectorAll("[data-widget]")) {
  const found = states[place.dataset.widget];
  if (found) modules[found.source].render({ model: modelOf(found.state), el: place });
}
