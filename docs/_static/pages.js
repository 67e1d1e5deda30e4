// What scrolls can be reached with the Tab key.
for (const block of document.querySelectorAll(".highlight pre, .table-wrapper")) {
  if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
}
