"use strict";
// Files behind tables and figures: unpacked when asked for, byte for byte.
(() => {
  const files = JSON.parse(document.getElementById("files").textContent);
  for (const button of document.querySelectorAll("button[data-file]")) {
    const name = button.dataset.file;
    if (name in files) {
      button.addEventListener("click", async () => save(await unpack(files[name]), name.split("/").at(-1)));
    } else {
      button.replaceWith(`file: ${name}`);
    }
  }
})();
