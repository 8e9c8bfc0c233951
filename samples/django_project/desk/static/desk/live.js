// Keeps the page current: every second the parts that change are taken from a fresh copy of it. The form is not
// touched, and neither is a part with the focus or with text that is being selected. Without JavaScript it is a page like
// any other.

const PARTS = ["#feed", "#trades", "#gaps", "#requests"];

function inUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && part.contains(selection.anchorNode));
}

async function refresh() {
  if (document.hidden) return;
  const feed = document.querySelector("#feed");
  try {
    // A log-in page in its place is an error here.
    const answer = await fetch("", { redirect: "error", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of PARTS) {
      const old = document.querySelector(part);
      if (!inUse(old)) old.replaceWith(page.querySelector(part));
    }
  } catch {
    feed.className = "status";
    feed.textContent = "The server is not reached, or you are logged out: what is below is old.";
  }
}

(async () => {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await refresh();
  }
})();
