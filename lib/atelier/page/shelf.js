// Keeps a text in the browser's own storage, the same in all its tabs.

function render({ model }) {
  const key = model.get("key");
  const say = (name, value) => {
    if (value === model.get(name)) return;
    model.set(name, value);
    model.save_changes();
  };
  const setAside = () => {
    try {
      localStorage.setItem(`${key}, damaged ${new Date().toISOString()}`, model.get("aside"));
    } catch { /* no room for what cannot be read */ }
  };
  const keep = () => {
    try {
      localStorage.setItem(key, model.get("text"));
      say("works", true);
    } catch {
      say("works", false); // full, or switched off
    }
  };
  const elsewhere = (event) => { if (event.key === key) say("text", event.newValue ?? ""); };
  const forget = listen(model, { "change:text": keep, "change:aside": setAside });
  window.addEventListener("storage", elsewhere);
  if (!model.get("begun")) { // the page may draw this piece again: from then on the text is ours
    try {
      say("text", localStorage.getItem(key) ?? model.get("text"));
    } catch {
      say("works", false);
    }
    say("begun", true);
  }
  return () => { forget(); window.removeEventListener("storage", elsewhere); };
}

export default { render };
