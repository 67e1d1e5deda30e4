// What scrolls can be reached with the Tab key.
for (const block of document.querySelectorAll(".highlight pre, .table-wrapper")) {
  if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
}
// Options and other short names do not break at their hyphens.
for (const code of document.querySelectorAll("article code")) {
  if (code.textContent.length < 24) code.style.whiteSpace = "nowrap";
}
