// Keeps a text in the browser's own storage, the same in all its tabs.

function render({ model }) {
  const key = model.get("key");
  const take = (text) => {
    if (text === model.get("text")) return;
    model.set("text", text);
    model.save_changes();
  };
  const keep = () => {
    try {
      localStorage.setItem(key, model.get("text"));
    } catch {
      // Storage that is full or switched off: the text then lasts as long as the page.
    }
  };
  const elsewhere = (event) => { if (event.key === key) take(event.newValue ?? ""); };
  const forget = listen(model, { "change:text": keep });
  window.addEventListener("storage", elsewhere);
  try {
    take(localStorage.getItem(key) ?? model.get("text"));
  } catch {
    // No storage at all.
  }
  return () => { forget(); window.removeEventListener("storage", elsewhere); };
}

export default { render };
