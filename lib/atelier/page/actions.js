// A row of buttons.

function render({ model, el }) {
  const send = sender(model);
  const buttons = model.get("labels").map((label) => {
    const node = button(label);
    node.onclick = () => send(label);
    return node;
  });
  if (model.get("lead")) buttons[0].classList.add("lead");
  const told = problemLine(model);
  el.replaceChildren(element("div", { class: "atelier" }, element("div", { class: "atelier actions" }, ...buttons), told.node));
  return told.forget;
}

export default { render };
