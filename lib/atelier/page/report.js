// Mounts every widget of the page on a model that holds its state. There is no kernel: what a widget sends is lost.

const text = (id) => JSON.parse(document.getElementById(id).textContent);
const value = (found) => (found && found.base64 !== undefined ? Uint8Array.from(atob(found.base64), (c) => c.charCodeAt(0)) : found);

function modelOf(state) {
  const values = Object.fromEntries(Object.entries(state).map(([name, found]) => [name, value(found)]));
  const heard = {};
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
