// Shows the buttons that copy a text; without this script it can be selected by hand.
"use strict";
for (const button of document.querySelectorAll("button[data-copies]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = button.parentElement.querySelector("[role=status]");
    done.textContent = "";
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).innerText.trim());
    done.textContent = button.dataset.done;
  });
}
