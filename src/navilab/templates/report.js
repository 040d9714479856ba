// Without a script all hosts are shown; with one they can be looked for.
const field = document.getElementById("filter");
const cards = [...document.querySelectorAll("article")];
const shown = document.getElementById("shown");
const state = document.getElementById("state");
function look() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const card of cards) {
    const fits = (!state.value || card.dataset.state === state.value) && words.every((word) => card.dataset.text.includes(word));
    card.hidden = !fits;
    count += fits;
  }
  shown.textContent = `${count} of ${cards.length} hosts`;
}
document.getElementById("look").hidden = false;
field.addEventListener("input", look);
state.addEventListener("change", look);
look();
// On paper nothing can be opened.
const folded = [...document.querySelectorAll("details:not([open])")];
window.addEventListener("beforeprint", () => folded.forEach((each) => { each.open = true; }));
window.addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));
