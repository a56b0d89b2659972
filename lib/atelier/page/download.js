// A button that makes a file: progress while it is made, cancel, and the file saved when it is done.

function render({ model, el }) {
  const send = sender(model);
  const make = button();
  const bar = element("progress", { max: "1", value: "0", hidden: "" });
  const cancel = button("Cancel", { hidden: "" });
  const word = element("span", { class: "word", role: "status" });
  el.replaceChildren(element("div", { class: "atelier download" }, make, bar, cancel, word));
  make.onclick = () => { make.disabled = true; word.textContent = "Starting"; send("make"); };
  cancel.onclick = () => send("cancel");
  let saved = null;

  function name() {
    make.title = model.get("filename");
    make.textContent = make.title.split(".").pop().toUpperCase();
  }
  function progress() {
    const { state, done, message } = model.get("progress");
    const busy = state === "queued" || state === "running";
    make.disabled = busy;
    bar.hidden = cancel.hidden = !busy;
    bar.value = done ?? 0;
    word.classList.toggle("wrong", state === "failed");
    word.textContent = state === "queued" ? "Waiting for a free processor" : busy ? `${Math.round((done ?? 0) * 100)} %` : message ?? "";
  }
  function save() {
    const { header, pictures } = unpack(model.get("file"));
    if (!pictures.file) return;
    if (saved) URL.revokeObjectURL(saved);
    saved = URL.createObjectURL(new Blob([pictures.file]));
    element("a", { href: saved, download: header.name }).click();
  }
  const forget = listen(model, { "change:progress": progress, "change:file": save, "change:filename": name });
  name();
  progress();
  return () => { forget(); if (saved) URL.revokeObjectURL(saved); };
}

export default { render };
