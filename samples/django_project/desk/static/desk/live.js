// Asks for the task's state when the page is opened, and keeps the page current: every second the parts that change are
// taken from a fresh copy of it. The form is not touched, and neither is a part with the focus or with text that is being
// selected. Without JavaScript it is a page like any other.

const PARTS = ["#feed", "#state", "#trades", "#gaps", "#requests"];

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
      const fresh = page.querySelector(part);
      if (old && fresh && !inUse(old)) old.replaceWith(fresh);
    }
  } catch {
    feed.className = "status";
    feed.textContent = "The server is not reached, or you are logged out: what is below is old.";
  }
}

// A request like the button's: it is recorded, and the page that is fetched then shows its outcome.
async function askForState() {
  const id = document.querySelector("#state")?.dataset.ask;
  if (!id) return;
  const asking = document.querySelector("#asking");
  const form = document.querySelector("form:has([name=action])"); // which hides the form's own `action`
  const wish = new FormData();
  wish.set("csrfmiddlewaretoken", form.csrfmiddlewaretoken.value);
  wish.set("id", id);
  wish.set("action", "look");
  asking.textContent = "Asking the venue for its state …";
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: wish });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const outcome = page.querySelector("#outcome");
    await refresh();
    const isRecorded = outcome && "recorded" in outcome.dataset;
    asking.textContent = isRecorded ? "" : outcome?.firstElementChild.textContent ?? "The server did not ask for it.";
  } catch {
    asking.textContent = "It could not be asked for: the server was not reached.";
  }
}

askForState();
(async () => {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await refresh();
  }
})();
