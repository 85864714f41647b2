// Names, tooltips and states that ipywidgets leaves out, on all controls of the card that this widget lies in.
const CONTROLS = "input, select, textarea, [role=slider]";
const OWN_KEYS = "button, [role=slider], select, input[type=checkbox]"; // JupyterLab takes arrows and letters otherwise
const PLAY = ["Play or pause the frames", "Back to the first frame", "Repeat the frames"];
let made = 0;

function put(element, name, value) {
  if (element && value && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// A row of a parameter: label, control, unit. The help of the label is that of the row and of its controls.
function nameRow(row) {
  const label = row.querySelector("label.labkit-label");
  if (!label) return;
  const unit = row.querySelector(".labkit-unit")?.textContent.trim();
  const field = row.querySelector("input, select");
  if (field) {
    field.id ||= `labkit-field-${++made}`;
    put(label, "for", field.id);
  }
  put(row, "title", label.title);
  for (const one of row.querySelectorAll(CONTROLS)) {
    put(one, "aria-label", [label.textContent, unit].filter(Boolean).join(", "));
    put(one, "title", label.title);
  }
  const wrong = row.querySelector(".labkit-error");
  if (field && Boolean(wrong) !== (field.getAttribute("aria-invalid") === "true"))
    wrong ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid");
}

// A logarithmic slider has the exponent as its value: the readout has the number, also where it is not shown.
function nameSlider(handle) {
  const slider = handle.closest(".widget-slider");
  if (!slider) return;
  const unit = slider.closest(".labkit-control")?.querySelector(".labkit-unit")?.textContent.trim();
  if (!handle.hasAttribute("aria-label")) put(handle, "aria-label", slider.querySelector(".widget-label")?.textContent);
  const said = slider.querySelector(".widget-readout")?.textContent.trim();
  put(handle, "aria-valuetext", said && [said, unit].filter(Boolean).join(" "));
}

function nameAll(card) {
  card.querySelectorAll(".labkit-control").forEach(nameRow);
  card.querySelectorAll("[role=slider]").forEach(nameSlider);
  for (const button of card.querySelectorAll(".widget-toggle-button")) {
    const folds = button.parentElement.matches(".labkit-fold, .labkit-unfolding");
    put(button, folds ? "aria-expanded" : "aria-pressed", String(button.classList.contains("mod-active")));
  }
  for (const play of card.querySelectorAll(".widget-play"))
    play.querySelectorAll("button").forEach((button, k) => { put(button, "aria-label", PLAY[k]); put(button, "title", PLAY[k]); });
  for (const bar of card.querySelectorAll(".progress-bar")) {
    put(bar, "role", "progressbar");
    put(bar, "aria-label", "progress");
    put(bar, "aria-valuenow", String(Math.round(parseFloat(bar.style.width) || 0)));
  }
  for (const view of card.querySelectorAll(".labkit-atoms canvas")) {
    put(view, "role", "img");
    const words = view.closest(".labkit-card")?.querySelector(".labkit-atoms-words")?.textContent.trim();
    put(view, "aria-label", `live view of atoms, to turn with the mouse: ${words}`);
  }
}

function render({ el }) {
  let card = null, timer = 0, observer = null;
  const soon = () => { timer ||= setTimeout(() => { timer = 0; nameAll(card); }, 50); };
  // keys without Ctrl, Alt or Shift belong to the control; it is decided before JupyterLab sees the key
  const keep = (event) => {
    const control = event.target.closest?.(OWN_KEYS);
    if (!control || !card?.contains(control)) return;
    const ours = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);
    control.toggleAttribute("data-lm-suppress-shortcuts", ours);
  };
  const start = () => {
    card = el.closest(".labkit");
    if (!card) { timer = setTimeout(() => { timer = 0; start(); }, 50); return; }
    observer = new MutationObserver(soon);
    const attributeFilter = ["class", "style", "aria-valuetext"];
    observer.observe(card, { subtree: true, childList: true, attributes: true, attributeFilter });
    window.addEventListener("keydown", keep, true);
    nameAll(card);
  };
  start();
  return () => { observer?.disconnect(); clearTimeout(timer); window.removeEventListener("keydown", keep, true); };
}

export default { render };
